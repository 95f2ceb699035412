/** The command line of a process, from its own memory. */
import type { AbsentReason, VirtualMemory } from '../../core/virtual-memory.js'
import { decodeText } from '../struct/record.js'
import type { MmRecord } from './memory-map.js'

/** What a process was started with, or why it can't be told. */
export type CommandLine =
  /** `complete` is false where the end was absent or beyond the bound. */
  | { readonly kind: 'read'; readonly arguments: readonly string[]; readonly complete: boolean }
  /** `none`: the process has no memory (any more) or never had arguments; otherwise why its page is not there. */
  | { readonly kind: 'absent'; readonly reason: AbsentReason | 'none' }

/** Longest command line that is read; the kernel allows more (a quarter of the stack's limit). */
const MAX_BYTES = 256 * 1024
/** What all command lines of a listing may take together, counted in bytes of text and per argument. */
const MAX_ALL_BYTES = 64 << 20
const ARGUMENT_BYTES = 32

const NO_COMMAND_LINE: CommandLine = { kind: 'absent', reason: 'none' }

/** Reads command lines; one for a listing, since it bounds what they take together. */
export class CommandLines {
  #left = MAX_ALL_BYTES

  /**
   * The arguments between `arg_start` and `arg_end`: /proc/PID/cmdline, split at its NULs.
   * @param user opens the process's memory; not called when there is nothing to read.
   */
  read(mm: MmRecord | undefined, user: () => VirtualMemory | undefined): CommandLine {
    const start = mm?.bigint('argStart')
    const end = mm?.bigint('argEnd')
    if (start === undefined || end === undefined || start === 0n || end <= start) return NO_COMMAND_LINE
    const length = end - start
    const bound = Math.max(0, Math.min(MAX_BYTES, Math.floor(this.#left / ARGUMENT_BYTES)))
    const bounded = length > BigInt(bound) ? bound : Number(length)
    const read = user()?.read(start, bounded)
    if (read === undefined) return NO_COMMAND_LINE
    const hole = read.absent[0]
    const head = hole === undefined ? read.bytes : read.bytes.subarray(0, Number(hole.va - start))
    if (hole !== undefined && head.length === 0) return { kind: 'absent', reason: hole.reason }
    const strings = decodeText(head).split('\0')
    if (strings.at(-1) === '') strings.pop()
    this.#left -= head.length + strings.length * ARGUMENT_BYTES
    return { kind: 'read', arguments: strings, complete: hole === undefined && BigInt(bounded) === length }
  }
}
