/** Opens an image that lies in a buffer: for tests of parsers, without files or FFI. */
import { type ByteSource, bufferSource } from '../../src/core/bytes.js'
import { VmsiftError } from '../../src/core/errors.js'
import type { PhysicalMemory, Span, Window } from '../../src/core/memory.js'
import { findRun } from '../../src/core/runs.js'
import { lastAtOrBelow } from '../../src/core/sorted.js'
import { openBlockMemory } from '../../src/drivers/block-memory.js'
import { parseImage } from '../../src/formats/detect.js'
import {
  EXCLUDED_EXTENT,
  type ExtentTable,
  type Image,
  type ParseOptions,
  ZERO_EXTENT,
} from '../../src/formats/image.js'
import { openBlocks } from '../../src/formats/open-blocks.js'

/** Parses and opens; `memory` reads from the same buffer. */
export function openImage(
  bytes: Uint8Array,
  options: ParseOptions = {},
): { image: Image; memory: PhysicalMemory } {
  const source = bufferSource(bytes)
  const image = parseImage(source, options)
  return { image, memory: openSource(image, source) }
}

/** Memory of a parsed image over any source. */
export function openSource(image: Image, source: ByteSource): PhysicalMemory {
  return image.storage.kind === 'blocks'
    ? openBlockMemory(image.runs, openBlocks(image.storage.index, source))
    : new ExtentMemory(image, image.storage.extents, source)
}

/** The plainest reader over an extent table. */
class ExtentMemory implements PhysicalMemory {
  readonly runs
  readonly #extents: ExtentTable
  readonly #source: ByteSource

  constructor(image: Image, extents: ExtentTable, source: ByteSource) {
    this.runs = image.runs
    this.#extents = extents
    this.#source = source
  }

  spanAt(gpa: number, limit: number): Span {
    return this.#span(gpa, limit).span
  }

  window(gpa: number, length: number): Window {
    const run = this.runs[findRun(this.runs, gpa)]
    if (run === undefined || gpa + length > run.gpa + run.length)
      throw new VmsiftError('out-of-range', 'no memory')
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const { span, offset } = this.#span(gpa + done, length - done)
      if (span.kind === 'gap') return { bytes: bytes.subarray(0, done), stop: span }
      if (span.kind === 'data') this.#source.read(offset, bytes.subarray(done, done + span.length))
      done += span.length
    }
    return { bytes }
  }

  [Symbol.dispose](): void {}

  #span(gpa: number, limit: number): { span: Span; offset: number } {
    const { gpa: starts, length: lengths, offset: offsets } = this.#extents
    const i = lastAtOrBelow(starts, gpa)
    const inside = gpa - (starts[i] ?? 0)
    if (i < 0 || inside >= (lengths[i] as number)) throw new VmsiftError('out-of-range', 'no memory')
    const length = Math.min(limit, (lengths[i] as number) - inside)
    const start = offsets[i] as number
    if (start === ZERO_EXTENT) return { span: { kind: 'zero', length }, offset: 0 }
    if (start === EXCLUDED_EXTENT) return { span: { kind: 'gap', length, reason: 'excluded' }, offset: 0 }
    const left = this.#source.size - (start + inside)
    if (left <= 0) return { span: { kind: 'gap', length, reason: 'truncated' }, offset: 0 }
    return { span: { kind: 'data', length: Math.min(length, left) }, offset: start + inside }
  }
}
