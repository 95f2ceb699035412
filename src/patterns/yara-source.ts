/**
 * YARA rule text. Includes are resolved here, because YARA-X in WebAssembly has no files: a text is cut at its
 * top-level `include` statements, and each piece keeps its line numbers by standing behind as many empty lines.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { VmsiftError } from '../core/errors.js'

/** Deepest chain of includes. */
const MAX_INCLUDE_DEPTH = 64

/** A piece of rule text, to be compiled in order. */
export interface YaraPiece {
  readonly namespace: string
  /** File that errors are about; undefined for text that came from none. */
  readonly path: string | undefined
  readonly text: string
}

export interface YaraText {
  readonly source: string
  readonly path?: string
  readonly namespace?: string
}

/**
 * The pieces of a rule text, includes in place.
 * @throws VmsiftError `bad-rule` for an include that can't be read or includes itself.
 */
export function resolveIncludes(text: YaraText): YaraPiece[] {
  const path = text.path === undefined ? undefined : resolve(text.path)
  return piecesOf({ ...text, shown: text.path, path }, path === undefined ? [] : [path])
}

interface Unit extends Omit<YaraText, 'path'> {
  readonly path: string | undefined
  readonly shown: string | undefined
}

function piecesOf(unit: Unit, chain: readonly string[]): YaraPiece[] {
  const pieces: YaraPiece[] = []
  const namespace = unit.namespace ?? 'default'
  let from = 0
  const add = (to: number) => {
    const body = unit.source.slice(from, to)
    if (body.trim() === '') return
    const lead = unit.source.slice(0, from)
    const lines = lead.split('\n')
    // Blank lines and blanks in place of what stands before: line and column of an error are the file's own.
    const text = '\n'.repeat(lines.length - 1) + ' '.repeat(lines.at(-1)?.length ?? 0) + body
    pieces.push({ namespace, path: unit.shown, text })
  }
  for (const include of findIncludes(unit.source)) {
    add(include.start)
    from = include.end
    pieces.push(...included(unit, include, chain))
  }
  add(unit.source.length)
  return pieces
}

function included(unit: Unit, include: Include, chain: readonly string[]): YaraPiece[] {
  const line = unit.source.slice(0, include.start).split('\n').length
  const where = `${unit.shown ?? 'rule'}:${line}`
  const path = resolve(unit.path === undefined ? process.cwd() : dirname(unit.path), include.path)
  if (chain.includes(path))
    throw new VmsiftError('bad-rule', `${where}: include "${include.path}" includes itself`, {
      detail: { path },
    })
  if (chain.length >= MAX_INCLUDE_DEPTH)
    throw new VmsiftError('bad-rule', `${where}: includes are nested more than ${MAX_INCLUDE_DEPTH} deep`)
  let source: string
  try {
    source = readFileSync(path, 'utf8')
  } catch (error) {
    throw new VmsiftError(
      'bad-rule',
      `${where}: include "${include.path}" can't be read: ${(error as NodeJS.ErrnoException).code ?? error}`,
      { detail: { path }, cause: error },
    )
  }
  return piecesOf({ ...unit, source, path, shown: path }, [...chain, path])
}

interface Include {
  readonly path: string
  readonly start: number
  readonly end: number
}

/** Comments, strings, regular expressions (division is `\` in YARA), braces, words: enough to tell where text is. */
const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:\\[\s\S]|[^"\\\n])*"?|\/(?:\\.|[^/\\\n])*\/?|[{}]|[A-Za-z_]\w*/g
const STRING = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*"((?:\\[\s\S]|[^"\\\n])*)"/y

/** The `include` statements outside of rules. */
export function findIncludes(source: string): Include[] {
  const found: Include[] = []
  let depth = 0
  const token = new RegExp(TOKEN)
  for (let match = token.exec(source); match !== null; match = token.exec(source)) {
    if (match[0] === '{') depth++
    else if (match[0] === '}') depth = Math.max(0, depth - 1)
    if (depth > 0 || match[0] !== 'include') continue
    STRING.lastIndex = token.lastIndex
    const path = STRING.exec(source)
    if (path === null) continue
    found.push({ path: unquoted(path[1] ?? ''), start: match.index, end: STRING.lastIndex })
    token.lastIndex = STRING.lastIndex
  }
  return found
}

function unquoted(text: string): string {
  return text.replace(/\\(["\\])/g, '$1')
}
