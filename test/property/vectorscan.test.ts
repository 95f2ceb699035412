import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScanners } from '../../scanners/index.js'
import { VmsiftError } from '../../src/core/errors.js'
import { vectorscanVersion } from '../../src/ffi/vectorscan.js'
import { compileScan } from '../../src/patterns/compile.js'
import { divide } from '../../src/patterns/expressions.js'
import type { CompiledScan } from '../../src/scan/compiled-scan.js'
import type { PatternSpec } from '../../src/scan/pattern-spec.js'
import type { Scanner } from '../../src/scan/scanner.js'

const absent = vectorscanVersion() === undefined
const NUM_RUNS = Number(process.env.VMSIFT_RUNS ?? 400)
/** Windows that each set of patterns is run over. */
const WINDOWS = 12

const piece = fc.constantFrom(
  ...['a', 'b', 'c', '.', '\\w', '[ab]', '[^c]', 'a+', 'b+', '.*', '.*?', '(?:ab|c)', '(?:a|bc)', 'a?'],
  ...['[ab]{2,4}', '(?s:.{0,3})', '\\x00', '[\\x60-\\x6f]', '[^a]*', 'b*', '\\b'],
)
const letters = (minLength: number) =>
  fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength, maxLength: minLength + 3 })
const pieces = fc.array(piece, { maxLength: 4 }).map(parts => parts.join(''))
const regex = fc
  .tuple(pieces, fc.oneof(fc.constant(''), letters(2)), pieces)
  .filter(parts => parts.join('') !== '')
  .map(parts => ({ kind: 'regex' as const, source: parts.join('') }))
const hex = fc
  .array(fc.constantFrom('61', '62', '63', '??', '6?', '?1', '00'), { minLength: 1, maxLength: 20 })
  .map(bytes => ({ kind: 'bytes' as const, hex: bytes.join(' ') }))
const text = fc.record({ kind: fc.constant('text' as const), text: letters(1), ignoreCase: fc.boolean() })
const specs = fc.array(fc.oneof(regex, hex, text), { minLength: 1, maxLength: 12 })

/** Windows of quiet bytes with bursts of letters: what the library's shortcuts were seen to stumble over. */
function windowOf(random: () => number): Uint8Array {
  const backing = new Uint8Array(64 + 2048)
  const start = Math.floor(random() * 64)
  const length = 1 + Math.floor(random() ** 2 * 2048)
  const bytes = backing.subarray(start, start + length)
  bytes.fill([0, 0x7a, 0x61, 0x63][Math.floor(random() * 4)] ?? 0)
  for (let burst = Math.floor(random() * 12); burst > 0; burst--) {
    let at = Math.floor(random() * length)
    for (let left = 1 + Math.floor(random() * 12); left > 0 && at < length; left--)
      bytes[at++] = 0x61 + Math.floor(random() * 3)
  }
  return bytes
}

/** A small generator (mulberry32): fast-check's own would cost more than the scans. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function compiled(patterns: PatternSpec[], matcher: 'vectorscan' | 'embedded'): Promise<CompiledScan> {
  try {
    return await compileScan(patterns, { matcher, maxMatchBytes: 300 })
  } catch (error) {
    if (error instanceof VmsiftError && error.code === 'bad-pattern') fc.pre(false)
    throw error
  }
}

function matchesOf(scanners: readonly Scanner[], bytes: Uint8Array): string[] {
  const found: string[] = []
  const window = {
    bytes,
    gpa: 0,
    ownedStart: 0,
    ownedEnd: bytes.length,
    beginsStretch: true,
    endsStretch: true,
  }
  for (const scanner of scanners)
    scanner.scan(window, {
      match: (pattern, offset, length) => found.push(`${pattern} at ${offset}, ${length} bytes`),
      stringMatch() {},
    })
  return found.sort()
}

describe.skipIf(absent)('vectorscan (skipped where libhs.so.5 is not installed)', () => {
  it('finds what the embedded matcher finds, in windows of any length and alignment', async () => {
    await fc.assert(
      fc.asyncProperty(specs, fc.nat(), async (patterns, seed) => {
        const fast = createScanners(await compiled(patterns, 'vectorscan'))
        const exact = createScanners(await compiled(patterns, 'embedded'))
        const random = generator(seed)
        try {
          for (let i = 0; i < WINDOWS; i++) {
            const bytes = windowOf(random)
            expect(matchesOf(fast, bytes)).toEqual(matchesOf(exact, bytes))
          }
        } finally {
          for (const scanner of [...fast, ...exact]) scanner[Symbol.dispose]()
        }
      }),
      { numRuns: NUM_RUNS },
    )
  })

  it.each([
    ['a text', { kind: 'text', text: 'x' }, true],
    ['a text, ignoring case', { kind: 'text', text: 'password', ignoreCase: true }, true],
    ['bytes with wildcards', { kind: 'bytes', hex: '48 8b ?? 05' }, true],
    ['an e-mail address', { kind: 'regex', source: '[\\w.+-]+@[\\w-]+\\.[\\w.-]+' }, true],
    ['a URL', { kind: 'regex', source: 'https?://[\\w./-]+' }, true],
    ['alternatives', { kind: 'regex', source: '\\d+ (?:GET|POST) /' }, true],
    ['a byte between wildcards', { kind: 'bytes', hex: '?? 61 ??' }, false],
    ['digits', { kind: 'regex', source: '\\d{4}' }, false],
    ['zeros with a gap', { kind: 'regex', source: '\\x00\\x00.{0,9}\\x00\\x00' }, false],
    ['an alternative without fixed bytes', { kind: 'regex', source: '(?:GET|\\w+) x?' }, false],
  ] as const)('is given rows of bytes only: %s', async (_name, spec, given) => {
    const { patterns } = await compileScan([spec], { matcher: 'embedded' })
    expect(divide(patterns).rest).toEqual(given ? [] : [0])
  })
})
