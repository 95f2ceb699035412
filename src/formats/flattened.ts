/**
 * Flattened dumps (makedumpfile -F, QEMU's kdump formats): a stream of records "so many bytes belong at that offset",
 * numbers big-endian, the first record at 4096, an end mark of -1, -1; a later record overwrites an earlier one
 * (makedumpfile IMPLEMENTATION "flattened format"; QEMU include/sysemu/dump.h).
 */
import { MAX_PHYSICAL_BYTES } from '../core/address.js'
import { type ByteSource, u64be } from '../core/bytes.js'
import { lastAtOrBelow } from '../core/sorted.js'
import { corrupt, tooFragmented } from './corrupt.js'
import { ExtentBuilder } from './extents.js'
import { type ExtentTable, type FlatIndex, ZERO_EXTENT } from './image.js'
import { MAX_FLAT_RECORDS } from './limits.js'
import { resolveOverlaps } from './overlaps.js'
import { NumberList } from './shared.js'

const FIRST_RECORD = 4096
const RECORD_HEADER_BYTES = 16

/**
 * Hops from record to record and returns where each byte of the rearranged dump lies.
 * @throws VmsiftError `image-corrupt`: a record that is out of bounds, or too many of them.
 */
export function indexFlattened(source: ByteSource): FlatIndex {
  const start = new NumberList()
  const length = new NumberList()
  const offset = new NumberList()
  const header = Buffer.alloc(RECORD_HEADER_BYTES)
  let at = FIRST_RECORD
  let size = 0
  let truncated = false
  for (;;) {
    const got = at < source.size ? source.read(at, header) : 0
    if (got < RECORD_HEADER_BYTES) {
      truncated = true
      break
    }
    if (header.readBigInt64BE(0) === -1n && header.readBigInt64BE(8) === -1n) break
    const to = u64be(header, 0)
    const bytes = u64be(header, 8)
    if (to + bytes > MAX_PHYSICAL_BYTES || bytes === 0)
      throw corrupt(
        `record of the flattened dump is out of bounds at offset ${at}: offset=${to} length=${bytes}`,
        {
          at,
          to,
          bytes,
        },
      )
    if (start.length >= MAX_FLAT_RECORDS) throw tooFragmented('records of a flattened dump', MAX_FLAT_RECORDS)
    const there = Math.min(bytes, source.size - at - RECORD_HEADER_BYTES)
    start.push(to)
    length.push(there)
    offset.push(at + RECORD_HEADER_BYTES)
    size = Math.max(size, to + bytes)
    at += RECORD_HEADER_BYTES + bytes
  }
  return { ...resolve(start.view(), length.view(), offset.view()), size, truncated }
}

function resolve(
  starts: Float64Array,
  lengths: Float64Array,
  offsets: Float64Array,
): Pick<FlatIndex, 'start' | 'length' | 'offset'> {
  const start = new NumberList()
  const length = new NumberList()
  const offset = new NumberList()
  resolveOverlaps(starts, lengths, 'last', (index, from, bytes) => {
    start.push(from)
    length.push(bytes)
    offset.push((offsets[index] as number) + from - (starts[index] as number))
  })
  return { start: start.toShared(), length: length.toShared(), offset: offset.toShared() }
}

/**
 * The rearranged dump as a source. What no record wrote reads as zeros, as in a sparse file; in a dump that was cut short
 * it may be lost instead, so a read stops there.
 */
export function flattenedSource(index: FlatIndex, source: ByteSource): ByteSource {
  return {
    size: index.size,
    read(offset, target) {
      const wanted = Math.max(0, Math.min(target.length, index.size - offset))
      let piece = lastAtOrBelow(index.start, offset)
      let done = 0
      while (done < wanted) {
        const at = offset + done
        const next = index.start[piece + 1] ?? Number.POSITIVE_INFINITY
        const inside = piece < 0 ? -1 : at - (index.start[piece] as number)
        const left = piece < 0 ? 0 : (index.length[piece] as number) - inside
        if (left > 0) {
          const part = target.subarray(done, Math.min(wanted, done + left))
          const got = source.read((index.offset[piece] as number) + inside, part)
          done += got
          if (got < part.length) return done
        } else if (index.truncated) return done
        else {
          const end = Math.min(wanted, next - offset)
          target.fill(0, done, end)
          done = end
        }
        if (offset + done >= next) piece++
      }
      return done
    },
  }
}

/** Extents of a flattened ELF dump as extents of the file itself. What no record wrote is zeros, or lost when truncated. */
export function unflattenExtents(table: ExtentTable, index: FlatIndex, fileSize: number): ExtentTable {
  const extents = new ExtentBuilder()
  for (let i = 0; i < table.gpa.length; i++) {
    const gpa = table.gpa[i] as number
    const length = table.length[i] as number
    const offset = table.offset[i] as number
    if (offset < 0) {
      extents.add(gpa, length, offset)
      continue
    }
    let piece = lastAtOrBelow(index.start, offset)
    let done = 0
    while (done < length) {
      const at = offset + done
      const next = index.start[piece + 1] ?? Number.POSITIVE_INFINITY
      const inside = piece < 0 ? 0 : at - (index.start[piece] as number)
      const left = piece < 0 ? 0 : (index.length[piece] as number) - inside
      const part = Math.min(length - done, left > 0 ? left : next - at)
      const missing = index.truncated || at >= index.size
      extents.add(
        gpa + done,
        part,
        left > 0 ? (index.offset[piece] as number) + inside : missing ? fileSize : ZERO_EXTENT,
      )
      done += part
      if (offset + done >= next) piece++
    }
  }
  return extents.table()
}
