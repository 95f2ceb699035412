/** Rule texts with what they include, in place: rules and imports, in order. */
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseSource } from './parse.js'
import { problemAt, RuleFault, type RuleProblem } from './problem.js'
import { SourceText } from './source-text.js'
import type { SyntaxImport, SyntaxInclude, SyntaxRule } from './syntax.js'

/** Deepest chain of includes. */
const MAX_INCLUDE_DEPTH = 64
/** Most text of one compilation, includes counted each time: what includes can blow up to. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024

/** Rules as they are given. */
export interface RuleText {
  /** The bytes of a file, or a text, which stands for its UTF-8 bytes. */
  readonly source: Uint8Array | string
  /** File it came from: named in errors, and `include` is relative to it. */
  readonly path?: string
  /** `default` when there is none. */
  readonly namespace?: string
}

/** One rule or import, with the text it stands in. */
export interface LoadedItem {
  readonly item: SyntaxRule | SyntaxImport
  readonly text: SourceText
  /** Index of the text. */
  readonly source: number
  readonly namespace: string
}

/**
 * Parses texts and what they include; `take` is given each rule and import once its text is parsed, so that syntax trees
 * are gone before the next text is parsed. What is wrong is among `problems`; the rest is taken nevertheless.
 */
export function loadRules(
  texts: readonly RuleText[],
  take: (loaded: LoadedItem) => void,
): { readonly sources: readonly SourceText[]; readonly problems: readonly RuleProblem[] } {
  const loader = new Loader(take)
  for (const { source, path, namespace = 'default' } of texts) {
    const bytes = typeof source === 'string' ? Buffer.from(source, 'utf8') : source
    const absolute = path === undefined ? undefined : resolve(path)
    loader.add(new SourceText(path, bytes), namespace, {
      path: absolute,
      chain: absolute === undefined ? [] : [absolute],
    })
  }
  return loader
}

interface Origin {
  readonly path: string | undefined
  readonly chain: readonly string[]
}

class Loader {
  readonly sources: SourceText[] = []
  readonly problems: RuleProblem[] = []
  readonly #take: (loaded: LoadedItem) => void
  #bytes = 0

  constructor(take: (loaded: LoadedItem) => void) {
    this.#take = take
  }

  add(text: SourceText, namespace: string, origin: Origin): void {
    const source = this.sources.push(text) - 1
    this.#bytes += text.text.length
    this.#guarded(text, () => {
      for (const item of parseSource(text))
        if (item.kind !== 'include') this.#take({ item, text, source, namespace })
        else this.#guarded(text, () => this.#include(item, namespace, origin))
    })
  }

  #guarded(text: SourceText, run: () => void): void {
    try {
      run()
    } catch (error) {
      if (!(error instanceof RuleFault)) throw error
      this.problems.push(problemAt(text, error.span, error.message))
    }
  }

  #include(item: SyntaxInclude, namespace: string, { path, chain }: Origin): void {
    const name = Buffer.from(item.path, 'latin1').toString('utf8')
    const target = resolve(path === undefined ? process.cwd() : dirname(path), name)
    if (chain.includes(target)) throw new RuleFault(item, `include "${name}" includes itself`)
    if (chain.length >= MAX_INCLUDE_DEPTH)
      throw new RuleFault(item, `includes are nested more than ${MAX_INCLUDE_DEPTH} deep`)
    let bytes: Uint8Array
    try {
      const file = statSync(target)
      if (!file.isFile()) throw new RuleFault(item, `include "${name}" is no file`)
      const { size } = file
      if (this.#bytes + size > MAX_TEXT_BYTES)
        throw new RuleFault(item, `includes come to more than ${MAX_TEXT_BYTES / 2 ** 20} MiB`)
      bytes = readFileSync(target)
    } catch (error) {
      if (error instanceof RuleFault) throw error
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      throw new RuleFault(item, `include "${name}" can't be read: ${code}`)
    }
    this.add(new SourceText(target, bytes), namespace, { path: target, chain: [...chain, target] })
  }
}
