/** The kernel's own image in virtual memory: text, read-only data, data, bss. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import type { Place, PlaceReader } from './reader.js'

/** Mapped bytes, one behind the other. */
export interface ImagePart {
  readonly at: Place
  readonly bytes: Uint8Array
}

const CHUNK_BYTES = 2 ** 21
const PAGE_BYTES = 4096
/** Debian's images are 20 to 60 MiB from `_text` to `_end`; bss may be larger in others. */
const MAX_IMAGE_BYTES = 96 * 2 ** 20
/** How far data and bss may reach beyond the last function. */
const BEYOND_TEXT_BYTES = 24 * 2 ** 20

/**
 * What is mapped from the kernel's first byte on. It ends some MiB behind the last function that the symbols know (a 32-bit kernel's
 * image lies inside the direct map, so that the mappings don't tell its end).
 */
export function readImage(
  memory: VirtualMemory,
  reader: PlaceReader,
  kernelBase: bigint,
  symbols: SymbolTable,
): ImagePart[] {
  const from = Math.floor(reader.place(kernelBase) / PAGE_BYTES) * PAGE_BYTES
  const end = Math.min(
    lastFunction(reader, from, symbols) + BEYOND_TEXT_BYTES,
    from + MAX_IMAGE_BYTES,
    reader.kernelEnd,
  )
  const parts: ImagePart[] = []
  for (let at = from; at < end; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, Math.floor((end - at) / PAGE_BYTES) * PAGE_BYTES)
    if (length <= 0) break
    const start = reader.address(at)
    const { bytes, absent } = memory.read(start, length)
    let done = 0
    for (const hole of absent) {
      const hole0 = Number(hole.va - start)
      if (hole0 > done) parts.push({ at: at + done, bytes: bytes.subarray(done, hole0) })
      done = Math.max(done, hole0 + hole.length)
    }
    if (done < length) parts.push({ at: at + done, bytes: bytes.subarray(done, length) })
  }
  return joined(parts)
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

/** Parts that touch become one. */
function joined(parts: readonly ImagePart[]): ImagePart[] {
  const groups: ImagePart[][] = []
  for (const part of parts) {
    const group = groups.at(-1)
    const before = group?.at(-1)
    if (group !== undefined && before !== undefined && before.at + before.bytes.length === part.at)
      group.push(part)
    else groups.push([part])
  }
  return groups.flatMap(group => {
    const first = group[0]
    if (first === undefined) return []
    if (group.length === 1) return [first]
    return [{ at: first.at, bytes: new Uint8Array(Buffer.concat(group.map(part => part.bytes))) }]
  })
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

/** Whether a place lies in the image. */
export function inImage(parts: readonly ImagePart[], place: Place): boolean {
  return parts.some(({ at, bytes }) => place >= at && place < at + bytes.length)
}
