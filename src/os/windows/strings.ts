/** Counted strings (UNICODE_STRING) in a space of addresses. */
import type { VirtualMemory } from '../../core/virtual-memory.js'
import { presentBytes } from './pe/image.js'

/** A path is at most 32767 characters, and a command line as well. */
const MAX_BYTES = 65_534

const decoder = new TextDecoder('utf-16le', { ignoreBOM: true })

/** The string whose UNICODE_STRING stands at `address`; undefined where it, or its text, is not in memory. Lone surrogates become U+FFFD. */
export function unicodeAt(
  memory: VirtualMemory,
  address: bigint,
  pointerBytes = memory.pointerBytes,
): string | undefined {
  const head = presentBytes(memory, address, 2 * pointerBytes)
  return head === undefined ? undefined : unicodeOf(memory, head)
}

/** As `unicodeAt`, with the structure's bytes in hand: 8 of them on 32 bits, 16 on 64. */
export function unicodeOf(memory: VirtualMemory, head: Uint8Array): string | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const length = view.getUint16(0, true)
  const room = view.getUint16(2, true)
  const buffer = head.length === 16 ? view.getBigUint64(8, true) : BigInt(view.getUint32(4, true))
  if (length === 0) return ''
  if (length > MAX_BYTES || length % 2 !== 0 || length > room || buffer === 0n) return undefined
  const bytes = presentBytes(memory, buffer, length)
  return bytes === undefined ? undefined : decoder.decode(bytes)
}
