import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PhysicalMemory, Window } from '../../../src/core/memory.js'
import { vectorscanVersion } from '../../../src/ffi/vectorscan.js'
import { compileScan } from '../../../src/patterns/compile.js'
import type { PatternSpec } from '../../../src/scan/pattern-spec.js'
import { ExtentCollector } from '../../../src/space/extents.js'
import { mapSpaces } from '../../../src/space/virtual-plan.js'
import { scanSpaces } from '../../helpers/spaces.js'
import { scanInWindows } from '../../reference/windows.js'

const PAGE = 4096
const FRAMES = 10
const MATCHERS =
  vectorscanVersion() === undefined ? (['embedded'] as const) : (['embedded', 'vectorscan'] as const)

/** Frames of which only the edges differ, or which are one letter: so that matches cross joints, often many. */
const edge = fc.string({ unit: fc.constantFrom('a', 'a', 'b', 'c', ' ', '\n'), minLength: 12, maxLength: 12 })
const frame = fc.record({
  first: edge,
  last: edge,
  fill: fc.oneof({ weight: 6, arbitrary: fc.constant('\n') }, fc.constantFrom('a', 'b', '\0')),
})

function bytesOf({ first, last, fill }: { first: string; last: string; fill: string }): Buffer {
  return Buffer.from(fill === '\n' ? first + fill.repeat(PAGE - 24) + last : fill.repeat(PAGE), 'latin1')
}

/** A space: at each page a frame, or none. */
const space = fc.array(fc.oneof({ weight: 5, arbitrary: fc.nat(FRAMES - 1) }, fc.constant(undefined)), {
  minLength: 1,
  maxLength: 9,
})

const pattern: fc.Arbitrary<PatternSpec> = fc.oneof(
  fc
    .string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 7 })
    .map(text => ({ kind: 'text', text }) as const),
  fc
    .constantFrom(
      'ab+',
      'a[ab]*c',
      'a+',
      '\\bab',
      'a$',
      '(?m)^a',
      'b\\z',
      '\\Ab',
      'a{3,9}',
      'a.{0,9}c',
      '(?s)b.{4090,4100}?c',
      'a+?b',
      '\\n+c',
    )
    .map(source => ({ kind: 'regex', source }) as const),
)

function memoryOf(frames: readonly Uint8Array[], bad: number): PhysicalMemory {
  const bytes = Buffer.concat([new Uint8Array(PAGE), ...frames])
  const at = bad * PAGE
  const window = (gpa: number, length: number): Window => {
    const end = gpa + length
    if (bad === 0 || end <= at || gpa >= at + PAGE) return { bytes: bytes.slice(gpa, end) }
    const stopAt = Math.max(gpa, at)
    return { bytes: bytes.slice(gpa, stopAt), stop: { reason: 'unreadable', length: at + PAGE - stopAt } }
  }
  return {
    runs: [{ gpa: PAGE, length: frames.length * PAGE }],
    spanAt: (_gpa, limit) => ({ kind: 'data', length: limit }),
    window,
    [Symbol.dispose]: () => {},
  }
}

describe('a scan of processes', () => {
  it('finds what a scan of each one, page put to page, finds', async () => {
    const shape = fc.record({
      frames: fc.array(frame, { minLength: FRAMES, maxLength: FRAMES }),
      spaces: fc.array(space, { minLength: 1, maxLength: 4 }),
      patterns: fc.array(pattern, { minLength: 1, maxLength: 3 }),
      maxMatchBytes: fc.constantFrom(20, 4200, 9000),
      outermost: fc.boolean(),
      matcher: fc.constantFrom(...MATCHERS),
      // 0: none
      bad: fc.constantFrom(0, 0, 0, 3),
      blockBytes: fc.constantFrom(1000, 4096, 65536),
      jointBytes: fc.constantFrom(100, 20_000, 1 << 20),
      contextBytes: fc.constantFrom(0, 0, 7),
      keep: fc.boolean(),
    })
    const property = fc.asyncProperty(shape, async ({ frames: edges, spaces, patterns, bad, ...options }) => {
      // a longer pattern than the bound is refused; the library loses a match of a regular expression now and then
      const tooLong =
        options.maxMatchBytes < PAGE && patterns.some(p => p.kind === 'regex' && p.source.includes('4090'))
      fc.pre(!tooLong && (options.matcher === 'embedded' || patterns.every(p => p.kind === 'text')))
      const frames = edges.map(bytesOf)
      const compiled = await compileScan(patterns, options)
      const memory = memoryOf(frames, bad)
      const tables = spaces.map((_, index) => ({
        dtb: index,
        owners: [{ pid: index + 1, process: `p${index}` }],
      }))
      const processes = spaces.map(pages => {
        const collector = new ExtentCollector(memory.runs)
        for (const [vpn, number] of pages.entries())
          if (number !== undefined) collector.add(vpn + 16, (number + 1) * PAGE, PAGE)
        return collector.finish()
      })
      const map = mapSpaces(tables, { processes })
      const found = scanSpaces(memory, map, 'processes', compiled, options)

      const expected: string[] = []
      for (const [index, pages] of spaces.entries())
        for (let from = 0; from < pages.length; from++) {
          const isThere = (page: number): boolean => pages[page] !== undefined && pages[page]! + 1 !== bad
          if (!isThere(from) || (from > 0 && isThere(from - 1))) continue
          let to = from
          while (to < pages.length && isThere(to)) to++
          const bytes = Buffer.concat(pages.slice(from, to).map(number => frames[number!]!))
          for (const { pattern, start, length } of scanInWindows(compiled, bytes, []))
            expected.push(
              `${index + 1} ${((from + 16) * PAGE + start).toString(16)} ${pattern} ${length} ` +
                JSON.stringify(bytes.subarray(start, start + Math.min(length, 64)).toString('latin1')),
            )
        }
      const told = found.map(
        ({ pid, va, pattern, length, data }) =>
          `${pid} ${va.toString(16)} ${pattern} ${length} ${JSON.stringify(data)}`,
      )
      expect(told.sort()).toEqual(expected.sort())
    })
    await fc.assert(property, { numRuns: Number(process.env.SPACE_RUNS ?? 60) })
  }, 300_000)
})
