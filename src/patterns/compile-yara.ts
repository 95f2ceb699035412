/** Compiling YARA rules: in each worker, to run them, and on the main thread where they are only to be checked. */
import { VmsiftError } from '../core/errors.js'
import type { CompiledYara } from '../scan/compiled-scan.js'
import { loadYara, type YaraRules, yaraVersion } from './yara-runtime.js'
import { resolveIncludes, type YaraPiece, type YaraText } from './yara-source.js'

/**
 * Resolves includes, and checks the rules unless `check` is false.
 * @throws VmsiftError `bad-rule`: one line with file, line and column; `detail.text` is all that YARA-X has to say.
 */
export function compileYara(texts: readonly YaraText[], check: boolean): CompiledYara {
  const pieces = texts.flatMap(resolveIncludes)
  if (pieces.length === 0) throw new VmsiftError('bad-rule', 'there is no YARA rule in what was given')
  if (check) buildRules(pieces).free()
  return {
    version: yaraVersion(),
    sources: pieces.map(({ namespace, path, text }) => ({
      namespace,
      ...(path !== undefined && { path }),
      text,
    })),
  }
}

/** The rules, ready to scan with. Free them. */
export function buildRules(
  pieces: readonly (Omit<YaraPiece, 'path'> & { path?: string | undefined })[],
): YaraRules {
  const { Compiler } = loadYara()
  const compiler = new Compiler()
  try {
    let current = 'default'
    for (const { namespace, path, text } of pieces) {
      if (namespace !== current) compiler.newNamespace(namespace)
      current = namespace
      try {
        compiler.addSource(text)
      } catch (error) {
        throw badRule(error, path)
      }
    }
    return compiler.build()
  } finally {
    compiler.free()
  }
}

/** What YARA-X says, `error[E014]: ...` with an excerpt, on one line that begins with the place. */
function badRule(error: unknown, path: string | undefined): VmsiftError {
  const text = error instanceof Error ? error.message : String(error)
  const title = /^error(?:\[(\w+)\])?: (.*)$/m.exec(text)
  const place = /^ *--> .*?:(\d+):(\d+)$/m.exec(text)
  const label = /^ *\|[ |]*[\^-]+ (.+)$/m.exec(text)
  const line = Number(place?.[1] ?? 1)
  const column = Number(place?.[2] ?? 1)
  const where = `${path ?? 'rule'}:${line}:${column}`
  const why = label?.[1] === undefined ? '' : `: ${label[1]}`
  return new VmsiftError('bad-rule', `${where}: ${title?.[2] ?? text}${why}`, {
    detail: { path, line, column, errorCode: title?.[1], text },
  })
}
