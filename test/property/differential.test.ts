/** The same answers as other programs, where they mean the same. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { vectorscanVersion } from '../../src/ffi/vectorscan.js'
import { compileScan } from '../../src/patterns/compile.js'
import type { PatternSpec } from '../../src/scan/pattern-spec.js'
import { plainRegex, smallBytes } from '../reference/arbitrary-pattern.js'
import { scanInWindows } from '../reference/windows.js'

const MATCHERS =
  vectorscanVersion() === undefined ? (['embedded'] as const) : (['vectorscan', 'embedded'] as const)
const hasYara = spawnSync('yara', ['--version']).status === 0

describe('JavaScript regular expressions', () => {
  it('match the same slices', async () => {
    await fc.assert(
      fc.asyncProperty(
        plainRegex.filter(source => !/é|\(\?/.test(source.replaceAll('(?:', ''))),
        smallBytes,
        fc.constantFrom(...MATCHERS),
        async (source, bytes, matcher) => {
          const whole = new RegExp(`^(?:${source})$`)
          fc.pre(!whole.test(''))
          const text = Buffer.from(bytes).toString('latin1')
          // JavaScript's \s and . know Unicode; none of it is in these bytes but \xa0, which is not either.
          const expected = [...text].flatMap((_, start) => {
            for (let end = text.length; end > start; end--)
              if (whole.test(text.slice(start, end))) return [[start, end - start]]
            return []
          })
          const scan = await compileScan([{ kind: 'regex', source }], { matcher })
          expect(scanInWindows(scan, bytes, [20]).map(({ start, length }) => [start, length])).toEqual(
            expected,
          )
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe.skipIf(!hasYara)(`yara${hasYara ? '' : ' (skipped: yara is not installed)'}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-differential-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  /** Runs yara: matches as [string, start, length]. */
  function yara(strings: readonly string[], bytes: Uint8Array): number[][] {
    const definitions = strings.map((text, i) => `$s${i} = ${text}`).join('\n')
    writeFileSync(join(folder, 'r.yar'), `rule r { strings: ${definitions} condition: any of them }`)
    writeFileSync(join(folder, 'data'), bytes)
    const run = spawnSync('yara', ['-w', '-s', '-L', join(folder, 'r.yar'), join(folder, 'data')], {
      encoding: 'utf8',
    })
    expect(run.stderr).toBe('')
    return [...run.stdout.matchAll(/^0x([0-9a-f]+):(\d+):\$s(\d+)/gm)]
      .map(([, start, length, index]) => [Number(index), Number.parseInt(start ?? '', 16), Number(length)])
      .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0))
  }

  const fixed = fc.constantFrom('61', '62', '41', '0a', '63')
  const hex = fc
    .tuple(
      fixed,
      fixed,
      fc.array(fc.oneof(fixed, fc.constantFrom('??', '6?', '?1')), { maxLength: 5 }),
      fixed,
    )
    .map(([a, b, middle, last]) => [a, b, ...middle, last].join(' '))
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'c'), minLength: 2, maxLength: 5 })

  it('finds the same bytes and texts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(hex, { minLength: 1, maxLength: 8 }),
        fc.uniqueArray(text, { minLength: 1, maxLength: 8 }),
        smallBytes.filter(bytes => bytes.length > 0),
        fc.constantFrom(...MATCHERS),
        async (hexes, texts, bytes, matcher) => {
          const specs: PatternSpec[] = [
            ...hexes.map(value => ({ kind: 'bytes' as const, hex: value })),
            ...texts.map(value => ({ kind: 'text' as const, text: value, utf16: true, ignoreCase: true })),
          ]
          const strings = [
            ...hexes.map(value => `{ ${value} }`),
            ...texts.map(value => `"${value}" ascii wide nocase`),
          ]
          const scan = await compileScan(specs, { matcher })
          const found = scanInWindows(scan, bytes, [17, 30])
          expect(found.map(({ pattern, start, length }) => [pattern, start, length])).toEqual(
            yara(strings, bytes),
          )
        },
      ),
      { numRuns: 100 },
    )
  })
})
