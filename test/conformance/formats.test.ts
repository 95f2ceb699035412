/** One suite over every format: the same memory, written in each, reads back the same. */
import { describe, expect, it } from 'vitest'
import { VmsiftError } from '../../src/core/errors.js'
import { type Gap, readInto } from '../../src/core/memory.js'
import { totalBytes } from '../../src/core/runs.js'
import { FORMATS } from '../images/formats.js'
import { openImage } from '../images/open.js'
import { type ImageRun, numberedBytes, seeded } from '../images/runs.js'

const PAGE = 4096
const RUNS: readonly ImageRun[] = [
  { gpa: 0, bytes: numberedBytes(40 * PAGE, 1) },
  { gpa: 48 * PAGE, bytes: numberedBytes(PAGE, 2) },
  { gpa: 64 * PAGE, bytes: numberedBytes(33 * PAGE, 3) },
]

function expected(gpa: number, length: number): Buffer {
  const run = RUNS.find(each => gpa >= each.gpa && gpa < each.gpa + each.bytes.length) as ImageRun
  return Buffer.from(run.bytes.subarray(gpa - run.gpa, gpa - run.gpa + length))
}

for (const format of FORMATS)
  describe(format.name, () => {
    const { image, memory } = openImage(format.write(RUNS))
    const isExcluded = (gpa: number): boolean => format.excluded?.(gpa) ?? false
    /** What `readInto` must give: excluded pages left as they were, each stretch of them a gap. */
    const check = (gpa: number, length: number): void => {
      const target = Buffer.alloc(length, 0xa5)
      const wanted = expected(gpa, length)
      const gaps = readInto(memory, gpa, target, 7 * PAGE + 13)
      const missing = new Set<number>()
      for (let page = Math.floor(gpa / PAGE) * PAGE; page < gpa + length; page += PAGE)
        if (isExcluded(page))
          for (let at = Math.max(page, gpa); at < Math.min(page + PAGE, gpa + length); at++) {
            missing.add(at - gpa)
            wanted[at - gpa] = 0xa5
          }
      expect(target.equals(wanted), `${length} bytes at ${gpa}`).toBe(true)
      expect(gaps.reduce((sum, gap: Gap) => sum + gap.length, 0)).toBe(missing.size)
      for (const gap of gaps) {
        expect(gap.reason).toBe('excluded')
        expect(missing.has(gap.gpa - gpa)).toBe(true)
      }
    }

    it('is detected and tells its runs', () => {
      expect(image.format).toBe(format.format)
      const last = RUNS.at(-1) as ImageRun
      expect(image.runs).toEqual(
        format.padded === true
          ? [{ gpa: 0, length: last.gpa + last.bytes.length }]
          : RUNS.map(({ gpa, bytes }) => ({ gpa, length: bytes.length })),
      )
    })

    it('reads back every byte around every page boundary', () => {
      for (const { gpa, bytes } of RUNS)
        for (let at = gpa; at < gpa + bytes.length; at += PAGE)
          for (const [before, length] of [
            [0, 1],
            [0, PAGE],
            [1, 2],
            [7, 64],
            [PAGE - 1, PAGE + 2],
          ] as const) {
            const start = Math.max(gpa, at - before)
            check(start, Math.min(length, gpa + bytes.length - start))
          }
    })

    it('reads back windows of odd sizes at odd places', () => {
      const next = seeded(7)
      for (let i = 0; i < 200; i++) {
        const { gpa, bytes } = RUNS[next() % RUNS.length] as ImageRun
        const at = next() % bytes.length
        check(gpa + at, 1 + (next() % (bytes.length - at)))
      }
    })

    it('reads back whole runs', () => {
      for (const { gpa, bytes } of RUNS) check(gpa, bytes.length)
    })

    it('tells spans that add up to the runs, and gaps where pages were left out', () => {
      let held = 0
      let left = 0
      for (const run of memory.runs)
        for (let at = run.gpa; at < run.gpa + run.length; ) {
          const span = memory.spanAt(at, run.gpa + run.length - at)
          expect(span.length).toBeGreaterThan(0)
          if (span.kind === 'gap') left += span.length
          else held += span.length
          if (span.kind === 'zero') expect(expected(at, span.length).every(byte => byte === 0)).toBe(true)
          if (format.padded !== true) expect(span.kind === 'gap').toBe(isExcluded(at))
          at += span.length
        }
      expect(held + left).toBe(totalBytes(image.runs))
    })

    it('keeps a span within the limit asked for', () => {
      for (const limit of [1, 100, PAGE, PAGE + 1])
        for (let at = 0; at < 20 * PAGE; at += 777)
          expect(memory.spanAt(at, limit).length).toBeLessThanOrEqual(limit)
    })

    it('refuses holes, and windows that reach into one', () => {
      const holes = [
        [40 * PAGE, 1],
        [40 * PAGE - 1, 2],
        [63 * PAGE, PAGE],
      ] as const
      const outside = [
        [97 * PAGE - 1, 2],
        [97 * PAGE, 1],
        [2 ** 51, 1],
      ] as const
      for (const [gpa, length] of format.padded === true ? outside : [...holes, ...outside])
        expect(() => memory.window(gpa, length)).toThrow(VmsiftError)
    })

    it('reads the same whether a block is new or kept', () => {
      const fresh = openImage(format.write(RUNS)).memory
      for (let round = 0; round < 3; round++)
        for (let at = 0; at < 40 * PAGE; at += PAGE / 2) {
          if (isExcluded(Math.floor(at / PAGE) * PAGE)) continue
          expect(Buffer.from(fresh.window(at, 16).bytes).equals(expected(at, 16))).toBe(true)
        }
    })

    it('still tells every byte when the file is cut anywhere', () => {
      const bytes = format.write(RUNS)
      for (const part of [0.3, 0.6, 0.9, 0.999]) {
        let opened: ReturnType<typeof openImage>
        try {
          opened = openImage(bytes.subarray(0, Math.floor(bytes.length * part)))
        } catch (error) {
          expect(error).toBeInstanceOf(VmsiftError)
          continue
        }
        for (const run of opened.image.runs) {
          const target = Buffer.alloc(run.length, 0xa5)
          const gaps = readInto(opened.memory, run.gpa, target)
          for (const gap of gaps) expect(['truncated', 'excluded', 'unreadable']).toContain(gap.reason)
        }
      }
    })
  })
