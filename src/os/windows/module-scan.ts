/**
 * Looks for kernel modules in physical memory, whatever the kernel's list says: entries of that list by their pool tag (`MmLd`, `klmo`), drivers'
 * objects by theirs (`Driv`), and PE images by their headers.
 */
import type { PhysicalMemory } from '../../core/memory.js'
import { sweep } from '../search/sweep.js'
import { type PeImage, parsePe } from './pe/image.js'

/** Bytes of a structure that may be an entry or an object, and where they stand. */
export interface Carved {
  readonly gpa: number
  readonly bytes: Buffer
}

export interface CarvedModules {
  /** What may be KLDR_DATA_TABLE_ENTRYs. */
  readonly entries: readonly Carved[]
  /** What may be DRIVER_OBJECTs. */
  readonly objects: readonly Carved[]
  /** Headers of images by where they stand, ascending. */
  readonly headers: ReadonlyMap<number, PeImage>
  /** More was there than is kept. */
  readonly cut: boolean
}

/** Windows' tag, and that of ReactOS (its tag.h). */
const ENTRY_TAGS = ['MmLd', 'klmo'].map(tag => Buffer.from(tag, 'latin1'))
/** Until 6.1 the highest bit of the last byte marks a block that only its tag's owner may free. */
const OBJECT_TAG = Buffer.from('Dri', 'latin1')
const OBJECT_TAG_END = 0x76
/** DRIVER_OBJECT.Type and Size (wdm.h). */
const DRIVER_TYPE = 4
const DRIVER_BYTES = { 4: 0xa8, 8: 0x150 } as const
const ENTRY_BYTES = 0x70
/** From a pool's header to an object: optional headers, and the object's own. */
const MAX_HEADERS = 0x180
const PAGE_BYTES = 4096
const MZ = 0x5a4d
const MAX_CARVED = 1 << 14
const MAX_HEADERS_KEPT = 1 << 16

/** One pass over memory. */
export function carveModules(memory: PhysicalMemory, pointerBytes: 4 | 8): CarvedModules {
  const entries: Carved[] = []
  const objects: Carved[] = []
  const headers = new Map<number, PeImage>()
  const step = 2 * pointerBytes
  const size = DRIVER_BYTES[pointerBytes]
  const keep = (list: Carved[], bytes: Buffer, gpa: number, at: number, length: number) => {
    if (at + length <= bytes.length && list.length < MAX_CARVED)
      list.push({ gpa: gpa + at, bytes: Buffer.from(bytes.subarray(at, at + length)) })
  }
  sweep(
    memory,
    (bytes, gpa) => {
      for (const tag of ENTRY_TAGS)
        for (const at of tags(bytes, gpa, tag, step)) keep(entries, bytes, gpa, at - 4 + step, ENTRY_BYTES)
      for (const at of tags(bytes, gpa, OBJECT_TAG, step)) {
        if (((bytes[at + 3] ?? 0) & 0x7f) !== OBJECT_TAG_END) continue
        for (
          let start = at - 4 + step;
          start <= at + MAX_HEADERS && start + size <= bytes.length;
          start += step
        )
          if (bytes.readUInt16LE(start) === DRIVER_TYPE && bytes.readUInt16LE(start + 2) === size)
            keep(objects, bytes, gpa, start, size)
      }
      const first = (PAGE_BYTES - (gpa % PAGE_BYTES)) % PAGE_BYTES
      for (let at = first; at + PAGE_BYTES <= bytes.length; at += PAGE_BYTES) {
        if (bytes.readUInt16LE(at) !== MZ || headers.size >= MAX_HEADERS_KEPT) continue
        const pe = parsePe(bytes.subarray(at, at + PAGE_BYTES), 0n)
        if (pe !== undefined && pe.bits === pointerBytes * 8) headers.set(gpa + at, pe)
      }
      return false
    },
    { overlap: MAX_HEADERS + DRIVER_BYTES[8] },
  )
  const cut = Math.max(entries.length, objects.length) >= MAX_CARVED || headers.size >= MAX_HEADERS_KEPT
  return { entries, objects, headers, cut }
}

/** Where a tag stands as the second word of a pool's header: offsets. */
function* tags(bytes: Buffer, gpa: number, tag: Buffer, step: number): Generator<number> {
  for (let at = bytes.indexOf(tag); at >= 0; at = bytes.indexOf(tag, at + 3))
    if (at >= 4 && (gpa + at - 4) % step === 0) yield at
}
