/**
 * AVML images, version 2: per range a 32-byte header, its bytes as a snappy frame stream, and the stream's length as
 * 8 bytes (microsoft/avml src/image.rs, src/io/snappy.rs). Version 1 is LiME. Ranges of zeros only are left out by
 * the writer (`copy_if_nonzero`) and can't be told from holes.
 */
import type { ByteSource } from '../core/bytes.js'
import type { MemoryRun } from '../core/memory.js'
import { mergeRuns } from '../core/runs.js'
import { corrupt, tooFragmented } from './corrupt.js'
import { AVML_HOLE, AVML_TRUNCATED, type AvmlIndex, type Image } from './image.js'
import { MAX_CHUNKS, MAX_RUNS } from './limits.js'
import {
  AVML_MAGIC,
  isZeroTail,
  orderRanges,
  RANGE_HEADER_BYTES,
  type RangeHeader,
  readRangeHeader,
} from './range-header.js'
import { NumberList } from './shared.js'
import { ChunkHeaderReader } from './snappy-frame.js'

const TRAILER_BYTES = 8

/** A range and where its chunks stand in the lists of the walk. */
interface AvmlRange extends RangeHeader {
  readonly firstChunk: number
  readonly lastChunk: number
}

/**
 * Hops from chunk header to chunk header; decompresses nothing.
 * @throws VmsiftError `image-corrupt`: broken headers, chunks that pass their range, ranges that overlap.
 */
export function parseAvml(source: ByteSource): Image {
  const warnings: string[] = []
  const walk = new ChunkWalk(source)
  const ranges: AvmlRange[] = []
  let at = 0
  while (at < source.size) {
    if (ranges.length > 0 && isZeroTail(source, at)) {
      warnings.push(`${source.size - at} bytes of zeros behind the last AVML range`)
      break
    }
    if (ranges.length >= MAX_RUNS) throw tooFragmented('AVML ranges', MAX_RUNS)
    const header = readRangeHeader(source, at, 'AVML', AVML_MAGIC, 2)
    const firstChunk = walk.length
    const end = walk.range(header, at + RANGE_HEADER_BYTES)
    ranges.push({ ...header, firstChunk, lastChunk: walk.length })
    if (end === undefined) {
      warnings.push(`the file ends inside the AVML range at offset ${at}: later ranges, if any, are lost`)
      break
    }
    at = end + TRAILER_BYTES
  }
  const ordered = orderRanges(ranges, 'AVML', warnings)
  const runs: MemoryRun[] = mergeRuns(ordered.map(({ gpa, length }) => ({ gpa, length })))
  return {
    format: 'avml',
    runs,
    notes: { cpus: [] },
    storage: { kind: 'blocks', index: walk.index(ordered) },
    warnings,
  }
}

/** The lists of chunks, in the file's order. */
class ChunkWalk {
  readonly #headers: ChunkHeaderReader
  readonly #gpa = new NumberList()
  readonly #offset = new NumberList()
  #hops = 0

  constructor(source: ByteSource) {
    this.#headers = new ChunkHeaderReader(source)
  }

  get length(): number {
    return this.#gpa.length
  }

  /** Lists the chunks of one range; returns where its stream ends, or `undefined` when the file ends before. */
  range(header: RangeHeader, start: number): number | undefined {
    let done = 0
    let at = start
    while (done < header.length) {
      const chunk = this.#headers.read(at)
      if (++this.#hops > 2 * MAX_CHUNKS) throw tooFragmented('snappy chunks', 2 * MAX_CHUNKS)
      if (chunk === undefined) {
        this.#push(header.gpa + done, AVML_TRUNCATED)
        return undefined
      }
      if (done + chunk.dataBytes > header.length)
        throw corrupt(`snappy chunk at offset ${at} passes the end of its AVML range`, { at, done, ...chunk })
      if (chunk.dataBytes > 0) this.#push(header.gpa + done, at)
      done += chunk.dataBytes
      at += chunk.totalBytes
    }
    return at
  }

  #push(gpa: number, offset: number): void {
    if (this.#gpa.length >= MAX_CHUNKS) throw tooFragmented('snappy chunks', MAX_CHUNKS)
    this.#gpa.push(gpa)
    this.#offset.push(offset)
  }

  /** The chunks in order of address, with a mark wherever no range follows at once. */
  index(ordered: readonly AvmlRange[]): AvmlIndex {
    const gpa = new NumberList()
    const offset = new NumberList()
    ordered.forEach((range, i) => {
      for (let chunk = range.firstChunk; chunk < range.lastChunk; chunk++) {
        gpa.push(this.#gpa.at(chunk))
        offset.push(this.#offset.at(chunk))
      }
      const end = range.gpa + range.length
      if (ordered[i + 1]?.gpa === end) return
      gpa.push(end)
      offset.push(AVML_HOLE)
    })
    return { format: 'avml', gpa: gpa.toShared(), offset: offset.toShared() }
  }
}
