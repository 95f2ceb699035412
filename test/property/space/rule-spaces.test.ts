/** Strings of rules in many spaces at once, against each space by itself. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PhysicalMemory, Window } from '../../../src/core/memory.js'
import { vectorscanVersion } from '../../../src/ffi/vectorscan.js'
import { compileStrings } from '../../../src/patterns/compile-strings.js'
import { compileRules } from '../../../src/rules/compile.js'
import { ExtentCollector, type ExtentColumns } from '../../../src/space/extents.js'
import { searchEachSpace, searchSpaces } from '../../helpers/rule-spaces.js'
import { ruleString } from '../../reference/arbitrary-rule-string.js'

const PAGE = 4096
const FRAMES = 8
const MATCHERS = vectorscanVersion() === undefined ? (['embedded'] as const) : (['embedded', 'auto'] as const)

/** Strings that need what lies far off, beside those that are short. */
const farString = fc.constantFrom(
  '/ab.*cx/s',
  '/ab.*?cx/s',
  '/a[^x]{2,4000}x1/',
  '{ 61 62 [0-190] 63 78 }',
  '{ 61 62 [3000-5000] 63 78 }',
  '{ 61 62 [-] 63 31 }',
  `"${'qz'.repeat(2200)}"`,
  '/x1\\b/',
  '/^ab/',
  '/cx$/',
  '"cx" fullword',
  '"abcabc" ascii wide nocase',
)
const strings = fc.array(fc.oneof({ weight: 2, arbitrary: farString }, ruleString), {
  minLength: 1,
  maxLength: 5,
})

const letter = fc.constantFrom(0x61, 0x61, 0x62, 0x63, 0x78, 0x31, 0x20, 0x00)
const edge = fc.array(letter, { minLength: 1, maxLength: 12 }).map(bytes => Uint8Array.from(bytes))
/** What stands at a frame's beginning, at its end, and all over it. */
const frame = fc.record({
  first: edge,
  last: edge,
  midst: edge,
  at: fc.nat(PAGE - 12),
  fill: fc.constantFrom(0x2e, 0x00, 0x62),
  repeated: fc.boolean(),
})

function bytesOf({
  first,
  last,
  midst,
  at,
  fill,
  repeated,
}: typeof frame extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  const bytes = new Uint8Array(PAGE).fill(fill)
  if (repeated) for (let i = 0; i < PAGE; i++) bytes[i] = 'qz'.charCodeAt(i % 2)
  bytes.set(midst, at)
  bytes.set(first)
  bytes.set(last, PAGE - last.length)
  return bytes
}

/** A space: at each page a frame, or none. Frames that follow each other are common. */
const space = fc
  .array(
    fc.tuple(
      fc.oneof({ weight: 6, arbitrary: fc.nat(FRAMES - 1) }, fc.constant(undefined)),
      fc.integer({ min: 1, max: 3 }),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map(runs =>
    runs.flatMap(([first, pages]) =>
      Array.from({ length: pages }, (_, i) => (first === undefined ? undefined : (first + i) % FRAMES)),
    ),
  )

function memoryOf(frames: readonly Uint8Array[], bad: number): PhysicalMemory {
  const bytes = Buffer.concat([new Uint8Array(PAGE), ...frames])
  const at = bad * PAGE
  return {
    runs: [{ gpa: PAGE, length: frames.length * PAGE }],
    spanAt: (_gpa, limit) => ({ kind: 'data', length: limit }),
    window: (gpa: number, length: number): Window => {
      const end = gpa + length
      if (bad === 0 || end <= at || gpa >= at + PAGE) return { bytes: bytes.slice(gpa, end) }
      const stopAt = Math.max(gpa, at)
      const lost = Math.min(end, at + PAGE) - stopAt
      return { bytes: bytes.slice(gpa, stopAt), stop: { reason: 'unreadable', length: lost } }
    },
    [Symbol.dispose]: () => {},
  }
}

function extentsOf(
  memory: PhysicalMemory,
  pages: readonly (number | undefined)[],
  first = 16,
): ExtentColumns {
  const collector = new ExtentCollector(memory.runs)
  for (const [vpn, number] of pages.entries())
    if (number !== undefined) collector.add(vpn + first, (number + 1) * PAGE, PAGE)
  return collector.finish()
}

describe('strings of rules in many spaces', () => {
  it('are found as in each space by itself', () => {
    const shape = fc.record({
      frames: fc.array(frame, { minLength: FRAMES, maxLength: FRAMES }),
      spaces: fc.array(space, { minLength: 1, maxLength: 4 }),
      strings,
      matcher: fc.constantFrom(...MATCHERS),
      // 0: none
      bad: fc.constantFrom(0, 0, 0, 3),
      blockBytes: fc.constantFrom(1000, 4096, 65536),
      keep: fc.boolean(),
    })
    fc.assert(
      fc.property(shape, ({ frames, spaces, strings: values, matcher, bad, ...cut }) => {
        const rules = values.map(
          (value, at) => `rule r${at} { strings: $a = ${value} condition: $a or true }`,
        )
        const { rules: compiled } = compileRules([{ source: rules.join('\n') }])
        const tables = compileStrings(
          compiled.flatMap(rule => rule.strings),
          matcher,
        )
        const memory = memoryOf(frames.map(bytesOf), bad)
        const extents = spaces.map(pages => extentsOf(memory, pages))
        expect(searchSpaces(memory, extents, tables, cut)).toEqual(searchEachSpace(memory, extents, tables))
      }),
      { numRuns: Number(process.env.SPACE_RUNS ?? 20) },
    )
  }, 300_000)
})

describe('strings of rules in the kernel', () => {
  const DIRECT = 0x8000

  it('are told once, each at the best address that maps its frames in its order', () => {
    const shape = fc.record({
      frames: fc.array(frame, { minLength: FRAMES, maxLength: FRAMES }),
      pages: space,
      strings,
      above: fc.boolean(),
      blockBytes: fc.constantFrom(1000, 65536),
    })
    fc.assert(
      fc.property(shape, ({ frames, pages, strings: values, above, blockBytes }) => {
        const rules = values.map(
          (value, at) => `rule r${at} { strings: $a = ${value} condition: $a or true }`,
        )
        const { rules: compiled } = compileRules([{ source: rules.join('\n') }])
        const tables = compileStrings(
          compiled.flatMap(rule => rule.strings),
          MATCHERS.at(-1) ?? 'auto',
        )
        const memory = memoryOf(frames.map(bytesOf), 0)
        const first = above ? 0x1_0000 : 16
        const other = extentsOf(memory, pages, first)
        const direct = extentsOf(memory, [...frames.keys()], DIRECT)
        const cut = { blockBytes, keep: true, kernel: true }
        const [told] = searchSpaces(memory, [other, direct], tables, cut)

        /** The frames of a match, by page. */
        const frameAt = (page: number): number | undefined =>
          page >= DIRECT && page < DIRECT + FRAMES ? page - DIRECT : pages[page - first]
        const best = new Map<string, string>()
        // what lies outside the direct map goes first; addresses ascend
        for (const found of searchEachSpace(memory, [other, direct], tables))
          for (const match of found.sort((a, b) => addressOf(a) - addressOf(b))) {
            const [id, , length] = match.split(':')
            const address = addressOf(match)
            const chain: (number | undefined)[] = [Number(id), Number(length), address % PAGE]
            for (let page = Math.floor(address / PAGE); page * PAGE < address + Number(length); page++)
              chain.push(frameAt(page))
            const key = chain.join(' ')
            if (!best.has(key)) best.set(key, match)
          }
        expect(told).toEqual([...best.values()].sort())
      }),
      { numRuns: Number(process.env.SPACE_RUNS ?? 20) },
    )
  }, 300_000)
})

function addressOf(match: string): number {
  return Number(match.split(':')[1])
}
