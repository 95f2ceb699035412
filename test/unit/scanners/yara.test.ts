import { describe, expect, it, vi } from 'vitest'
import { createScanners } from '../../../scanners/index.js'
import { compileScan } from '../../../src/patterns/compile.js'
import type { RuleHit, YaraLabel } from '../../../src/scan/scanner.js'

async function scanRules(sources: string[], text: string, owned?: [number, number]) {
  const specs = sources.map((source, i) => ({ kind: 'yara' as const, source, namespace: `n${i}` }))
  const bytes = Buffer.from(text, 'latin1')
  const matches: (YaraLabel & { offset: number; length: number })[] = []
  const rules: RuleHit[] = []
  const scanners = createScanners(await compileScan(specs))
  for (const scanner of scanners) {
    scanner.scan(
      {
        bytes,
        gpa: 0x1000,
        ownedStart: owned?.[0] ?? 0,
        ownedEnd: owned?.[1] ?? bytes.length,
        beginsStretch: true,
        endsStretch: true,
      },
      {
        match: () => {
          throw new Error('no pattern was given')
        },
        yaraMatch: (label, offset, length) => matches.push({ ...label, offset, length }),
        rule: hit => rules.push(hit),
      },
    )
    scanner[Symbol.dispose]()
    scanner[Symbol.dispose]()
  }
  return { matches, rules }
}

describe('YaraScanner', () => {
  it('reports rules that hold with tags and meta, and their strings', async () => {
    const { matches, rules } = await scanRules(
      ['rule a : t1 t2 { meta: s = "v" n = -5 b = true f = 1.5 strings: $a = "abc" condition: $a }'],
      '..abc.abc',
    )
    expect(rules).toEqual([
      { namespace: 'n0', rule: 'a', tags: ['t1', 't2'], meta: { s: 'v', n: -5, b: true, f: 1.5 } },
    ])
    expect(matches.map(({ rule, pattern, offset, length }) => [rule, pattern, offset, length])).toEqual([
      ['a', '$a', 2, 3],
      ['a', '$a', 6, 3],
    ])
  })

  it('reports nothing for rules that do not hold, private rules and private strings', async () => {
    const { matches, rules } = await scanRules(
      [
        `rule no { strings: $a = "abc" condition: #a > 5 }
         private rule hidden { strings: $a = "abc" condition: $a }
         rule yes { strings: $a = "abc" $p = "b" private condition: hidden and $a and $p }`,
      ],
      'abc',
    )
    expect(rules.map(hit => hit.rule)).toEqual(['yes'])
    expect(matches.map(match => match.pattern)).toEqual(['$a'])
  })

  it('reports only matches that start in the owned part', async () => {
    const { matches } = await scanRules(['rule a { strings: $a = "abc" condition: $a }'], 'abcabcabc', [3, 6])
    expect(matches.map(match => match.offset)).toEqual([3])
  })

  it('keeps rules of the same name apart by namespace', async () => {
    const rule = 'rule a { condition: true }'
    const { rules } = await scanRules([rule, `${rule} // again`], 'x')
    expect(rules.map(hit => hit.namespace)).toEqual(['n0', 'n1'])
  })

  it('keeps what the console module prints away from stdout', async () => {
    const out = vi.spyOn(console, 'log').mockImplementation(() => {})
    const err = vi.spyOn(console, 'error').mockImplementation(() => {})
    await scanRules(['import "console" rule a { condition: console.log("hello") }'], 'x')
    expect(out).not.toHaveBeenCalled()
    expect(err).toHaveBeenCalledWith('hello')
    vi.restoreAllMocks()
  })
})
