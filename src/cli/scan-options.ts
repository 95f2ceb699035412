/** The options of `scan`: described to commander, checked, and turned into a request. */

import { type Command, Option } from 'commander'
import { VmsiftError } from '../core/errors.js'
import type { MatcherChoice } from '../scan/pattern-spec.js'
import type { SpaceChoice } from '../space/guest-spaces.js'
import { parseExternals } from './external-option.js'
import { NUMBERS_HELP } from './help.js'
import { parseCount, parseRange } from './numbers.js'
import { parsePid } from './pid-option.js'
import type { ProgressOptions } from './progress.js'
import type { PatternOptions } from './scan-patterns.js'
import { symbolsOption } from './symbols-option.js'
import { addTargetOptions, type TargetOptions } from './targets.js'

const MAX_JOBS = 256
const MAX_CONTEXT_BYTES = 64 * 1024
const MAX_MATCH_BYTES = 2 ** 20

export interface ScanOptions extends PatternOptions, TargetOptions, ProgressOptions {
  readonly space?: string
  readonly range?: string
  readonly owners?: boolean
  readonly symbols?: string
  readonly pause?: boolean
  readonly jobs?: string
  readonly limit?: string
  readonly context?: string
  readonly maxMatch?: string
  readonly output?: string
  readonly sort?: boolean
  readonly outermost?: boolean
  readonly matcher: MatcherChoice
  readonly define?: readonly string[]
  readonly hash?: boolean
  readonly json?: boolean
}

/** The numbers and switches of a request; patterns and target come separately. */
export interface ScanSettings {
  readonly space?: SpaceChoice
  readonly owners?: boolean
  readonly symbols?: string
  readonly range?: { readonly start: number; readonly end: number }
  readonly jobs?: number
  readonly limit?: number
  readonly contextBytes?: number
  readonly maxMatchBytes?: number
  readonly outermost?: boolean
  readonly sort?: boolean
  readonly matcher: MatcherChoice
  readonly externals?: Readonly<Record<string, boolean | bigint | number | string>>
}

const collect = (value: string, before: string[] = []) => [...before, value]

const HELP = `${NUMBERS_HELP}

Patterns can be repeated and mixed; all are looked for in one pass. A match is reported for every address at
which a pattern matches, overlapping ones too. Holes between memory ranges are never scanned across.

YARA rules see the whole image: filesize, offsets and what uint8(), hash and math read are the image's, also
with --range, which says only where their strings are looked for.

With --json each line on stdout is one object, "type" telling which: match, rule (a YARA rule that holds),
gap (memory that was not read, and why), and at the very end summary. In processes, swapped-out pages that zram
holds are scanned too: such a match has "swap" (area and slot) in place of "pa"; gaps of other swapped pages
name the first page's slot, those behind it follow.

Examples:
  vmsift scan memory.lime --text password --ignore-case --utf16
  vmsift scan memory.raw --bytes "4d 5a ?? 00" --range 1M-2G --context 32
  vmsift scan memory.elf --regex "[a-z0-9.]+@[a-z0-9.]+" --limit 100
  vmsift scan memory.lime --text password --owners
  vmsift scan memory.lime --regex "AKIA[0-9A-Z]{16}" --space processes
  vmsift scan memory.lime --yara rules/ --json --output found.ndjson`

/** Describes the options to commander. */
export function addScanOptions(command: Command): Command {
  command
    .description('Find text, bytes, regular expressions and YARA rules in guest memory.')
    .option('-t, --text <string>', 'text to look for, as UTF-8 bytes (repeatable)', collect)
    .option('-b, --bytes <hex>', 'bytes to look for, ? for any nibble: "4d 5a ?? 0?" (repeatable)', collect)
    .option('-r, --regex <re>', 'regular expression over bytes, PCRE subset (repeatable)', collect)
    .option(
      '-y, --yara <path>',
      'YARA rules: a file, or a folder of .yar and .yara files (repeatable)',
      collect,
    )
    .option('--define <name=value>', 'an external variable of YARA rules (repeatable)', collect)
    .option('-p, --patterns <file>', 'text patterns from a file, one a line (repeatable)', collect)
    .option('-i, --ignore-case', 'for all text patterns and regular expressions')
    .option('-u, --utf16', 'look for the UTF-16LE form of all text patterns too')
    .option(
      '--range <start-end>',
      'only this part of physical memory, end exclusive (of YARA rules: where strings are looked for)',
    )
    .option('-n, --limit <n>', 'stop after this many matches')
    .option('-C, --context <n>', 'show this many bytes around each match')
    .option('--sort', 'matches in ascending order of address (processes: of pid, then address)')
    .option('--outermost', 'drop matches inside an earlier match of the same pattern')
    .option('--max-match <n>', 'longest match of a regular expression, in bytes (default 4096)')
    .option('-j, --jobs <n>', 'worker threads (default: the processors that this process may use)')
    .addOption(
      new Option('--matcher <name>', 'search engine')
        .choices(['auto', 'vectorscan', 'embedded'])
        .default('auto'),
    )
    .option('--hash', "add the image file's SHA-256 to the summary")
    .option('-o, --output <file>', 'write results there instead of stdout')
    .option('--json', 'one JSON object a line')
    .option('-q, --quiet', 'no progress, hints or warnings')
    .option('--progress', 'progress on stderr even when it is no terminal')
    .option(
      '--space <name>',
      'memory to scan: physical (default), kernel (default for a triage dump), a process id, or processes (each frame once)',
    )
    .option('--owners', 'tell which processes and kernel addresses map each match')
    .addOption(symbolsOption())
    .option('--pause', 'hold a running guest still while it is scanned')
    .addHelpText('after', HELP)
  return addTargetOptions(command)
}

/** Checks everything that can be checked without the target. @throws VmsiftError `bad-argument` or `not-supported`. */
export function scanSettings(options: ScanOptions): ScanSettings {
  const { jobs, limit, context, maxMatch, range, symbols } = options
  return {
    matcher: options.matcher,
    ...(options.space !== undefined && { space: spaceOf(options.space) }),
    ...(options.owners === true && { owners: true }),
    ...(symbols !== undefined && { symbols }),
    ...(range !== undefined && { range: parseRange(range) }),
    ...(jobs !== undefined && { jobs: parseCount(jobs, '--jobs', 1, MAX_JOBS) }),
    ...(limit !== undefined && { limit: parseCount(limit, '--limit', 1, Number.MAX_SAFE_INTEGER) }),
    ...(context !== undefined && { contextBytes: parseCount(context, '--context', 0, MAX_CONTEXT_BYTES) }),
    ...(maxMatch !== undefined && { maxMatchBytes: parseCount(maxMatch, '--max-match', 1, MAX_MATCH_BYTES) }),
    ...(options.sort === true && { sort: true }),
    ...(options.pause === true && { pause: true }),
    ...(options.outermost === true && { outermost: true }),
    ...(options.define !== undefined && { externals: parseExternals(options.define) }),
  }
}

function spaceOf(word: string): SpaceChoice {
  if (word === 'physical' || word === 'kernel' || word === 'processes') return word
  if (/^[0-9]/.test(word)) return { pid: parsePid(word, '--space') }
  throw new VmsiftError(
    'bad-argument',
    `--space is physical, kernel, processes or a process id, not '${word}'`,
    {
      detail: { space: word },
    },
  )
}
