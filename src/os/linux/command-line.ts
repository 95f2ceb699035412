/** The command line of a process, from its own memory. */
import type { AbsentReason, VirtualMemory } from '../../core/virtual-memory.js'
import type { MmRecord } from './memory-map.js'
import { decodeText } from './struct/record.js'

/** What a process was started with, or why it can't be told. */
export type CommandLine =
  /** `complete` is false where the end was absent or beyond the bound. */
  | { readonly kind: 'read'; readonly arguments: readonly string[]; readonly complete: boolean }
  /** `none`: the process has no memory (any more) or never had arguments; otherwise why its page is not there. */
  | { readonly kind: 'absent'; readonly reason: AbsentReason | 'none' }

/** Longest command line that is read; the kernel allows more (a quarter of the stack's limit). */
const MAX_BYTES = 256 * 1024

const NO_COMMAND_LINE: CommandLine = { kind: 'absent', reason: 'none' }

/** Reads the arguments between `arg_start` and `arg_end`. As /proc/PID/cmdline, but split at its NULs. */
export function readCommandLine(
  mm: MmRecord | undefined,
  user: () => VirtualMemory | undefined,
): CommandLine {
  const strings = readStrings(mm?.bigint('argStart'), mm?.bigint('argEnd'), user)
  if (strings === undefined) return NO_COMMAND_LINE
  if (!('strings' in strings)) return { kind: 'absent', reason: strings.reason }
  return { kind: 'read', arguments: strings.strings, complete: strings.complete }
}

type Strings =
  | { readonly strings: readonly string[]; readonly complete: boolean }
  | { readonly reason: AbsentReason }

/** NUL-separated strings of user memory. Undefined when there are none. */
function readStrings(
  start: bigint | undefined,
  end: bigint | undefined,
  user: () => VirtualMemory | undefined,
): Strings | undefined {
  if (start === undefined || end === undefined || start === 0n || end <= start) return undefined
  const length = end - start
  const bounded = length > BigInt(MAX_BYTES) ? MAX_BYTES : Number(length)
  const read = user()?.read(start, bounded)
  if (read === undefined) return undefined
  const hole = read.absent[0]
  const head = hole === undefined ? read.bytes : read.bytes.subarray(0, Number(hole.va - start))
  if (hole !== undefined && head.length === 0) return { reason: hole.reason }
  const strings = decodeText(head).split('\0')
  if (strings.at(-1) === '') strings.pop()
  return { strings, complete: hole === undefined && BigInt(bounded) === length }
}
