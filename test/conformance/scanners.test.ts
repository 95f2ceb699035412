/** What every matcher must do alike. */
import { describe, expect, it } from 'vitest'
import { vectorscanVersion } from '../../src/ffi/vectorscan.js'
import { compileScan } from '../../src/patterns/compile.js'
import type { CompileOptions } from '../../src/scan/compiled-scan.js'
import type { PatternSpec } from '../../src/scan/pattern-spec.js'
import { scanInWindows } from '../reference/windows.js'

const MATCHERS = ['vectorscan', 'embedded'] as const
const MIB = 1 << 20
/** Generous: a quadratic matcher needs hours, a linear one a second, a busy machine several. */
const LINEAR_MS = 30_000

async function find(
  specs: PatternSpec[],
  text: string | Uint8Array,
  options: CompileOptions,
  cuts: number[] = [],
) {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  const scan = await compileScan(specs, options)
  return scanInWindows(scan, bytes, cuts).map(({ pattern, start, length }) => [pattern, start, length])
}

describe.each(MATCHERS)('%s', matcher => {
  const absent = matcher === 'vectorscan' && vectorscanVersion() === undefined
  const test = it.skipIf(absent)
  const suffix = absent ? ' (skipped: libhs is not installed)' : ''

  test(`reports overlapping matches at every start${suffix}`, async () => {
    expect(await find([{ kind: 'text', text: 'aa' }], 'aaaa', { matcher })).toEqual([
      [0, 0, 2],
      [0, 1, 2],
      [0, 2, 2],
    ])
  })

  test(`reports the UTF-8 and the UTF-16LE form, the longer one where both begin${suffix}`, async () => {
    const spec: PatternSpec = { kind: 'text', text: 'a', utf16: true }
    expect(await find([spec], 'a\0 a', { matcher })).toEqual([
      [0, 0, 2],
      [0, 3, 1],
    ])
  })

  test(`ignores case beyond ASCII, also where the encodings differ in length${suffix}`, async () => {
    const bytes = Buffer.from('ÉTÉ été Été ⱥ Ⱥ')
    const found = await find(
      [
        { kind: 'text', text: 'été', ignoreCase: true },
        { kind: 'text', text: 'Ⱥ', ignoreCase: true },
      ],
      bytes,
      { matcher },
    )
    expect(found).toEqual([
      [0, 0, 5],
      [0, 6, 5],
      [0, 12, 5],
      [1, 18, 3],
      [1, 22, 2],
    ])
  })

  test(`matches nibbles${suffix}`, async () => {
    expect(await find([{ kind: 'bytes', hex: '4d 5? ?0' }], 'MZ\x90M\x60\x90MQ\x11', { matcher })).toEqual([
      [0, 0, 3],
    ])
  })

  test(`matches a pattern of nothing but wildcards everywhere it fits${suffix}`, async () => {
    expect(await find([{ kind: 'bytes', hex: '?? ??' }], 'abc', { matcher })).toEqual([
      [0, 0, 2],
      [0, 1, 2],
    ])
  })

  test(`looks for a pattern that is given twice once${suffix}`, async () => {
    const spec: PatternSpec = { kind: 'text', text: 'a' }
    expect(await find([spec, { ...spec }], 'a', { matcher })).toEqual([[0, 0, 1]])
  })

  test(`finds patterns longer than what one expression holds, across cuts${suffix}`, async () => {
    const text = 'x'.repeat(3000)
    const data = Buffer.from(`ab${text}b${'x'.repeat(2999)}ab`)
    const specs: PatternSpec[] = [
      { kind: 'text', text: `b${text}b` },
      { kind: 'text', text: 'ab' },
    ]
    const expected = [
      [0, 1, 3002],
      [1, 0, 2],
      [1, 6002, 2],
    ]
    expect(await find(specs, data, { matcher })).toEqual(expected)
    expect(await find(specs, data, { matcher }, [1, 2, 3, 2000, 6003])).toEqual(expected)
  })

  test(`drops matches inside earlier ones with outermost${suffix}`, async () => {
    const spec: PatternSpec = { kind: 'regex', source: 'a+|b' }
    const options = { matcher, outermost: true }
    expect(await find([spec], 'aaab', options, [2])).toEqual([
      [0, 0, 3],
      [0, 3, 1],
    ])
  })

  test(`bounds unbounded matches by maxMatchBytes${suffix}`, async () => {
    const found = await find([{ kind: 'regex', source: 'a+' }], 'aaaaa', { matcher, maxMatchBytes: 3 })
    expect(found).toEqual([
      [0, 0, 3],
      [0, 1, 3],
      [0, 2, 3],
      [0, 3, 2],
      [0, 4, 1],
    ])
  })

  test(`counts the same with more hits than are kept at once${suffix}`, async () => {
    const bytes = new Uint8Array(3 * MIB + 123)
    const found = await find(
      [
        { kind: 'bytes', hex: '00' },
        { kind: 'bytes', hex: '00 00' },
      ],
      bytes,
      { matcher },
    )
    expect(found.length).toBe(2 * bytes.length - 1)
    expect(found.at(-1)).toEqual([1, bytes.length - 2, 2])
  })

  test(`finds each of ten thousand text patterns${suffix}`, async () => {
    const texts = Array.from({ length: 10_000 }, (_, i) => `pattern-${(i * 7919) % 10_007}-${i}`)
    const specs = texts.map<PatternSpec>(text => ({ kind: 'text', text }))
    const data = Buffer.from(texts.toReversed().join('|'))
    const start = performance.now()
    const found = await find(specs, data, { matcher })
    expect(performance.now() - start).toBeLessThan(LINEAR_MS)
    const starts = new Map(
      texts
        .toReversed()
        .map((text, i, all) => [text, all.slice(0, i).join('|').length + (i > 0 ? 1 : 0)])
        .slice(0, 50) as [string, number][],
    )
    expect(new Set(found.map(([pattern]) => pattern)).size).toBe(10_000)
    for (const [text, at] of starts) expect(found).toContainEqual([texts.indexOf(text), at, text.length])
  })

  const repeated = (text: string) => Buffer.alloc(4 * MIB, text)
  const HOSTILE: readonly (readonly [string, Buffer])[] = [
    ['a+', repeated('a')],
    ['(?s)a.*b', repeated('ab')],
    ['\\w+\\d', repeated('a')],
    ['\\w+\\d', repeated('a1')],
    ['(a|aa)+b', repeated('a')],
    ['a.*b|ac', repeated('ac')],
    ['\\ba+\\b', repeated('a')],
    ['[ab]{0,30}b[ab]{12}c', repeated('ab')],
  ]
  test.each(HOSTILE)(`takes linear time over hostile memory: %s${suffix}`, async (source, bytes) => {
    const scan = await compileScan([{ kind: 'regex', source }], { matcher })
    const start = performance.now()
    scanInWindows(scan, bytes, [])
    expect(performance.now() - start).toBeLessThan(LINEAR_MS)
  })
})

describe.skipIf(vectorscanVersion() === undefined)('vectorscan alone', () => {
  it('looks for a pattern that is too large for the library without its counts', async () => {
    const source =
      'c((c[^a]){3,12}(cabab|\\w[a-c\\n])*[a-c\\n]|((?:ab){3,12}(?:bc)*|abcb[a-c\\n]){9,}c(?:b)*(\\d\\n[^a].)){2}c'
    const specs: PatternSpec[] = [
      { kind: 'regex', source },
      { kind: 'text', text: 'd' },
    ]
    const text = `c${'cbcbcba'.repeat(2)}c d ${'ccbbcaba'.repeat(40)}cd`
    const found = await find(specs, text, { matcher: 'vectorscan' })
    expect(found).toEqual(await find(specs, text, { matcher: 'embedded' }))
    expect(found.length).toBeGreaterThan(2)
  })

  it('leaves a pattern without fixed bytes to the embedded matcher beside it, and says so', async () => {
    const words = Array.from({ length: 5000 }, (_, i) => `w${i}`)
    const specs: PatternSpec[] = [
      { kind: 'text', text: 'a' },
      { kind: 'regex', source: `(?:${words.join('|')})\\d+x` },
    ]
    const scan = await compileScan(specs, { matcher: 'vectorscan' })
    expect(scan.matcher).toMatchObject({ vectorscan: {}, embedded: { patterns: [1] } })
    expect(scan.hints).toEqual([expect.stringMatching(/no fixed bytes .* embedded matcher/)])
    const found = await find(specs, 'b w4999012x a', { matcher: 'vectorscan' })
    expect(found).toEqual(await find(specs, 'b w4999012x a', { matcher: 'embedded' }))
    expect(found.length).toBe(2)
  })
})
