/** The kernel's own image in virtual memory: text, read-only data, data, bss. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import type { Place, PlaceReader } from './reader.js'

/** Mapped bytes, one behind the other. */
export interface ImagePart {
  readonly at: Place
  readonly bytes: Uint8Array
}

const PAGE_BYTES = 4096
/** Debian's images are 20 to 60 MiB from `_text` to `_end`; bss may be larger in others. */
const MAX_IMAGE_BYTES = 96 * 2 ** 20
/** How far data and bss may reach beyond the last function. */
const BEYOND_TEXT_BYTES = 16 * 2 ** 20
/** Most that one read gives. */
const MAX_READ_BYTES = 64 * 2 ** 20

/**
 * What is mapped of the kernel's image behind its text: read-only data, data, bss. It ends some MiB behind the last function that
 * the symbols know (a 32-bit kernel's image lies inside the direct map, so that the mappings don't tell its end).
 */
export function readImage(
  memory: VirtualMemory,
  reader: PlaceReader,
  kernelBase: bigint,
  symbols: SymbolTable,
): ImagePart[] {
  const base = Math.floor(reader.place(kernelBase) / PAGE_BYTES) * PAGE_BYTES
  const textEnd = symbols.addressOf('_etext')
  const behind = textEnd === undefined ? base : Math.floor(reader.place(textEnd) / PAGE_BYTES) * PAGE_BYTES
  const from = behind > base && behind < base + MAX_IMAGE_BYTES ? behind : base
  const end = Math.min(lastFunction(reader, base, symbols) + BEYOND_TEXT_BYTES, reader.kernelEnd)
  const length = Math.min(MAX_READ_BYTES, Math.floor((end - from) / PAGE_BYTES) * PAGE_BYTES)
  if (length <= 0) return []
  const start = reader.address(from)
  const { bytes, absent } = memory.read(start, length)
  const parts: ImagePart[] = []
  let done = 0
  for (const hole of absent) {
    const gap = Number(hole.va - start)
    if (gap > done) parts.push({ at: from + done, bytes: bytes.subarray(done, gap) })
    done = Math.max(done, gap + hole.length)
  }
  if (done < length) parts.push({ at: from + done, bytes: bytes.subarray(done, length) })
  return parts
}

/** Where the highest function of the kernel itself stands; modules lie elsewhere. */
function lastFunction(reader: PlaceReader, from: Place, symbols: SymbolTable): Place {
  let last = from
  let left = 2_000_000
  for (const { address, module } of symbols.entries()) {
    if (left-- <= 0) break
    if (module !== undefined) continue
    const place = reader.place(address)
    if (place > last && place < from + MAX_IMAGE_BYTES) last = place
  }
  return last
}

/** Places of every occurrence of `needle` in the image, at most `limit` of them. */
export function findInImage(parts: readonly ImagePart[], needle: Uint8Array, limit: number): Place[] {
  const found: Place[] = []
  for (const { at, bytes } of parts) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let i = buffer.indexOf(needle); i >= 0; i = buffer.indexOf(needle, i + 1)) {
      if (found.length >= limit) return found
      found.push(at + i)
    }
  }
  return found
}

/** The words of a part, 32 bits each; a copy where the bytes are not aligned. */
export function wordsOf({ bytes }: ImagePart): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Int32Array(aligned.buffer, aligned.byteOffset, Math.floor(aligned.length / 4))
}

/** Whether a place lies in the image. */
export function inImage(parts: readonly ImagePart[], place: Place): boolean {
  return parts.some(({ at, bytes }) => place >= at && place < at + bytes.length)
}
