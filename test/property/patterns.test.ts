import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EmbeddedFinder } from '../../scanners/embedded-finder.js'
import { PatternScanner } from '../../scanners/pattern-scanner.js'
import { VmsiftError } from '../../src/core/errors.js'
import { vectorscanVersion } from '../../src/ffi/vectorscan.js'
import { compileScan } from '../../src/patterns/compile.js'
import type { CompiledScan } from '../../src/scan/compiled-scan.js'
import type { PatternSpec } from '../../src/scan/pattern-spec.js'
import { assertingRegex, plainRegex, smallBytes } from '../reference/arbitrary-pattern.js'
import { type NaiveMatch, naiveMatches } from '../reference/naive-matcher.js'
import { scanInWindows } from '../reference/windows.js'

const MATCHERS = ['vectorscan', 'embedded'] as const
const NUM_RUNS = Number(process.env.VMSIFT_RUNS ?? 400)

/** Compiles, or skips the case when the pattern is refused. */
async function compiled(
  specs: PatternSpec[],
  options: Parameters<typeof compileScan>[1],
): Promise<CompiledScan> {
  try {
    return await compileScan(specs, options)
  } catch (error) {
    if (error instanceof VmsiftError && error.code === 'bad-pattern') fc.pre(false)
    throw error
  }
}

function expected(scan: CompiledScan, bytes: Uint8Array): (NaiveMatch & { pattern: number })[] {
  return scan.patterns.flatMap(({ node, maxBytes, lazy }, pattern) =>
    naiveMatches(node, bytes, { maxBytes, lazy, outermost: scan.outermost }).map(match => ({
      pattern,
      ...match,
    })),
  )
}

describe.each(MATCHERS)('%s', matcher => {
  const absent = matcher === 'vectorscan' && vectorscanVersion() === undefined
  const name = absent ? ' (skipped: libhs is not installed)' : ''
  const cuts = fc.array(fc.nat(60), { maxLength: 4 })

  it.skipIf(absent)(`finds what the naive matcher finds, however memory is cut${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(plainRegex, assertingRegex),
        smallBytes,
        cuts,
        fc.boolean(),
        fc.constantFrom(4096, 4, 9),
        async (source, bytes, where, outermost, maxMatchBytes) => {
          const scan = await compiled([{ kind: 'regex', source }], { matcher, outermost, maxMatchBytes })
          expect(scanInWindows(scan, bytes, where)).toEqual(expected(scan, bytes))
        },
      ),
      { numRuns: NUM_RUNS },
    )
  })

  it.skipIf(absent)(`reports the shortest match where every quantifier is lazy${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(plainRegex, smallBytes, cuts, async (source, bytes, where) => {
        const lazySource = source.replace(/[*+?](?!:|i:|s:)|\{\d+(,\d*)?\}/g, quantifier => `${quantifier}?`)
        const scan = await compiled([{ kind: 'regex', source: lazySource }], { matcher })
        expect(scanInWindows(scan, bytes, where)).toEqual(expected(scan, bytes))
      }),
      { numRuns: NUM_RUNS },
    )
  })

  it.skipIf(absent)(`finds several patterns in one pass${name}`, async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'A', 'é', 'É', 'ß'),
      minLength: 1,
      maxLength: 4,
    })
    const spec = fc.oneof(
      fc.record({ kind: fc.constant('text' as const), text, utf16: fc.boolean(), ignoreCase: fc.boolean() }),
      fc
        .array(fc.constantFrom('61', '6?', '?1', '??', '62', '41'), { minLength: 1, maxLength: 12 })
        .map(bytes => ({ kind: 'bytes' as const, hex: bytes.join(' ') })),
      plainRegex.map(source => ({ kind: 'regex' as const, source })),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(spec, { minLength: 1, maxLength: 6 }),
        smallBytes,
        cuts,
        async (specs, bytes, where) => {
          const scan = await compiled(specs, { matcher })
          expect(scanInWindows(scan, bytes, where)).toEqual(expected(scan, bytes))
        },
      ),
      { numRuns: NUM_RUNS },
    )
  })
})

describe('automata that forget all the time', () => {
  // Eight states at most: every run forgets, engines give way to relaxed ones and are split.
  const limits = { maxCells: 1, maxIds: 1 << 20 }
  const letter = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '(?:ab|ba)', '\\b')
  const counted = fc
    .array(fc.tuple(letter, fc.constantFrom('', '{1,9}', '{3,12}', '{10}', '*', '+')), {
      minLength: 2,
      maxLength: 4,
    })
    .map(parts => `${parts.map(part => part.join('')).join('')}[bc]`)
  const sources = fc.array(counted, { minLength: 1, maxLength: 4 })
  const letters = fc.array(fc.constantFrom(0x61, 0x61, 0x62, 0x62, 0x63, 0x0a), {
    minLength: 200,
    maxLength: 400,
  })
  const long = fc.array(letters, { minLength: 3, maxLength: 3 }).map(parts => Uint8Array.from(parts.flat()))

  it.each([40, 12])('give the same answers, matches up to %d bytes', async maxMatchBytes => {
    await fc.assert(
      fc.asyncProperty(
        sources,
        long,
        fc.array(fc.nat(600), { maxLength: 1 }),
        fc.boolean(),
        async (regexes, bytes, where, lazy) => {
          const specs = regexes.map(source => ({ kind: 'regex' as const, source }))
          const parsed = await compiled(specs, { matcher: 'embedded', maxMatchBytes })
          const scan = { ...parsed, patterns: parsed.patterns.map(pattern => ({ ...pattern, lazy })) }
          const finder = new EmbeddedFinder(scan.patterns, undefined, limits)
          const scanner = new PatternScanner(scan, finder.expressions, finder, limits)
          expect(scanInWindows(scan, bytes, where, [scanner])).toEqual(expected(scan, bytes))
        },
      ),
      { numRuns: NUM_RUNS / 2 },
    )
  })
})
