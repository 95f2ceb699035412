/** Counted strings (UNICODE_STRING) in a space of addresses. */
import type { VirtualMemory } from '../../core/virtual-memory.js'
import type { Problems } from '../problem.js'
import { presentBytes } from './pe/image.js'

/** A path is at most 32767 characters, and a command line as well. */
const MAX_BYTES = 65_534

const decoder = new TextDecoder('utf-16le', { ignoreBOM: true })

/** The string whose UNICODE_STRING stands at `address`; undefined where it, or its text, is not in memory. Lone surrogates become U+FFFD. */
export function unicodeAt(
  memory: VirtualMemory,
  address: bigint,
  pointerBytes = memory.pointerBytes,
  mostBytes = MAX_BYTES,
): string | undefined {
  const head = presentBytes(memory, address, 2 * pointerBytes)
  return head === undefined ? undefined : unicodeOf(memory, head, mostBytes)
}

/** As `unicodeAt`, with the structure's bytes in hand: 8 of them on 32 bits, 16 on 64. What is longer than `mostBytes` is cut there. */
export function unicodeOf(
  memory: VirtualMemory,
  head: Uint8Array,
  mostBytes = MAX_BYTES,
): string | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const length = view.getUint16(0, true)
  const room = view.getUint16(2, true)
  const buffer = head.length === 16 ? view.getBigUint64(8, true) : BigInt(view.getUint32(4, true))
  if (length === 0) return ''
  if (length > MAX_BYTES || length % 2 !== 0 || length > room || buffer === 0n) return undefined
  const bytes = presentBytes(memory, buffer, Math.min(length, mostBytes))
  return bytes === undefined ? undefined : decoder.decode(bytes)
}

/** Characters in all texts of a list: some thousands of the longest paths there can be. */
const MAX_TEXT = 32 << 20

/** Bounds what the texts of a list hold together: entries may lead to the same 64 KiB, or to others a word further, again and again. */
export class TextBudget {
  readonly #problems: Problems
  readonly #what: string
  #left = MAX_TEXT

  /** `what` stands in front of the problem that tells of texts which were left out. */
  constructor(problems: Problems, what: string) {
    this.#problems = problems
    this.#what = what
  }

  /** The text; undefined where there is none, or no room for it nor for any that follow. */
  take(read: () => string | undefined): string | undefined {
    if (this.#left < 0) return undefined
    const text = read()
    this.#left -= text?.length ?? 0
    if (this.#left >= 0) return text
    this.#problems.add('cut', `${this.#what}: names and paths beyond ${MAX_TEXT} characters are left out`)
    return undefined
  }
}
