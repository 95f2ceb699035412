/**
 * The whole scan against YARA-X, in what it has like YARA 4.2: a second judge, and one that is there wherever the project is.
 * `VMSIFT_RULE_RUNS` is how many times as long to look.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { scanRules } from '../../helpers/rule-scan.js'
import { commonRules } from '../../reference/arbitrary-common-rules.js'
import { ruleData } from '../../reference/arbitrary-rule-string.js'
import { buildRules } from '../../reference/yara-x.js'

const factor = Number(process.env['VMSIFT_RULE_RUNS'] ?? 1)
/** Lengths are told as the `yara` program prints them. */
const MAX_PRINTED = 512

interface Scanned {
  readonly matches: readonly {
    readonly identifier: string
    readonly isPrivate: boolean
    readonly patterns: readonly {
      readonly identifier: string
      readonly matches: readonly { readonly offset: number; readonly length: number }[]
    }[]
  }[]
}

function byYaraX(source: string, bytes: Uint8Array): { rules: string[]; matches: string[] } {
  const rules = buildRules(source)
  try {
    const matches = (rules.scan(bytes) as Scanned).matches.filter(({ isPrivate }) => !isPrivate)
    return {
      rules: matches.map(({ identifier }) => identifier),
      matches: matches
        .flatMap(({ identifier, patterns }) =>
          patterns.flatMap(pattern =>
            pattern.matches.map(
              ({ offset, length }) =>
                `${identifier} ${pattern.identifier} 0x${offset.toString(16)} ${Math.min(length, MAX_PRINTED)}`,
            ),
          ),
        )
        .sort(),
    }
  } finally {
    rules.free()
  }
}

describe('scans of whole images agree with YARA-X', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-yara-x-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it(
    'about every rule and every match, in what it has like YARA 4.2',
    async () => {
      const cut = fc.record({
        jobs: fc.integer({ min: 1, max: 3 }),
        blockBytes: fc.integer({ min: 1, max: 700 }),
      })
      await fc.assert(
        fc.asyncProperty(commonRules, ruleData, cut, async (source, bytes, { jobs, blockBytes }) => {
          const image = join(folder, 'image')
          writeFileSync(image, bytes)
          const { rules, matches, hints } = await scanRules(image, {
            patterns: [{ kind: 'yara', source }],
            jobs,
            tuning: { blockBytes, partitionBytes: blockBytes * 3 },
          })
          expect(hints).toEqual([])
          const theirs = byYaraX(source, bytes)
          expect(rules).toEqual(theirs.rules)
          expect(matches).toEqual(theirs.matches)
        }),
        { numRuns: 6 * factor, interruptAfterTimeLimit: 60_000 * factor },
      )
    },
    120_000 * factor,
  )
})
