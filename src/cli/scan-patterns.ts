/** What to look for, from the options of `scan`. */
import { VmsiftError } from '../core/errors.js'
import type { PatternSpec } from '../scan/pattern-spec.js'
import { readAll, readTextFile, ruleFiles } from './input-files.js'

/** Rule files that are open at a time. */
const FILES_AT_ONCE = 32

export interface PatternOptions {
  readonly text?: readonly string[]
  readonly bytes?: readonly string[]
  readonly regex?: readonly string[]
  readonly yara?: readonly string[]
  readonly patterns?: readonly string[]
  readonly utf16?: boolean
  readonly ignoreCase?: boolean
}

/**
 * Every pattern that was asked for, files read.
 * @throws VmsiftError `bad-argument` for unreadable files and when there is no pattern at all, `bad-pattern` for an empty one.
 */
export async function collectPatterns(options: PatternOptions): Promise<PatternSpec[]> {
  const flags = {
    ...(options.utf16 === true && { utf16: true }),
    ...(options.ignoreCase === true && { ignoreCase: true }),
  }
  const text = (value: string): PatternSpec => ({ kind: 'text', text: value, ...flags })
  const specs: PatternSpec[] = []
  for (const value of options.text ?? []) specs.push(text(filled(value, '--text')))
  for (const path of options.patterns ?? [])
    for (const line of await patternLines(path)) specs.push(text(line))
  for (const value of options.bytes ?? []) specs.push({ kind: 'bytes', hex: filled(value, '--bytes') })
  for (const value of options.regex ?? [])
    specs.push({
      kind: 'regex',
      source: filled(value, '--regex'),
      ...(options.ignoreCase === true && { ignoreCase: true }),
    })
  specs.push(...(await yaraRules(options.yara ?? [])))
  if (specs.length === 0)
    throw new VmsiftError(
      'bad-argument',
      'nothing to look for; give at least one of --text, --bytes, --regex, --yara or --patterns',
    )
  return specs
}

function filled(value: string, option: string): string {
  if (value.trim() === '' && (value === '' || option === '--bytes'))
    throw new VmsiftError('bad-pattern', `${option} is empty; give at least one byte to look for`)
  return value
}

async function patternLines(path: string): Promise<string[]> {
  const text = await readTextFile(path, 'the pattern file')
  const lines = text.split(/\r?\n/).filter(line => line !== '')
  if (lines.length === 0)
    throw new VmsiftError('bad-pattern', `the pattern file ${path} holds no pattern; write one a line`, {
      detail: { path },
    })
  return lines
}

async function yaraRules(paths: readonly string[]): Promise<PatternSpec[]> {
  const files = await ruleFiles(paths)
  const specs: PatternSpec[] = []
  for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
    const some = files.slice(at, at + FILES_AT_ONCE).map(async (file): Promise<PatternSpec> => {
      const source = await readAll(file.path, 'the rule file')
      return { kind: 'yara', source, ...file }
    })
    specs.push(...(await Promise.all(some)))
  }
  return specs
}
