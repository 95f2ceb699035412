/**
 * Whole rule files through the whole scan against the `yara` program: several workers, blocks so small that everything lies across their
 * joints, both matchers. `VMSIFT_RULE_RUNS` is how many times as long to look.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { VmsiftError } from '../../../src/core/errors.js'
import { type ScannedRules, scanRules } from '../../helpers/rule-scan.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'
import { ruleData } from '../../reference/arbitrary-rule-string.js'
import { DEFINED, EXTERNALS, ruleFiles } from '../../reference/yara/arbitrary-files.js'

const version = yaraVersionHere()
const factor = Number(process.env['VMSIFT_RULE_RUNS'] ?? 1)
const title = `scans of whole images agree with the yara program${version?.startsWith('4.2.') ? '' : ` (skipped: yara 4.2 is not here, but ${version ?? 'none'})`}`

describe.skipIf(!version?.startsWith('4.2.'))(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-whole-'))
  const yara = new YaraProgram()
  afterAll(() => {
    yara[Symbol.dispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const cut = fc.record({
    jobs: fc.integer({ min: 1, max: 3 }),
    blockBytes: fc.oneof(fc.constantFrom(1, 64, 256, 4096), fc.integer({ min: 1, max: 700 })),
    blocks: fc.integer({ min: 1, max: 5 }),
    matcher: fc.constantFrom('auto', 'auto', 'embedded'),
  })

  it(
    'about every rule and every match',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          ruleFiles,
          ruleData,
          cut,
          async (files, bytes, { jobs, blockBytes, blocks, matcher }) => {
            const image = join(folder, 'image')
            writeFileSync(image, bytes)
            for (const { name, text } of files) {
              mkdirSync(dirname(join(folder, name)), { recursive: true })
              writeFileSync(join(folder, name), text)
            }
            const texts = files.flatMap(({ name, text, namespace }) =>
              namespace === undefined ? [] : [{ source: text, path: join(folder, name), namespace }],
            )
            const theirs = yara.scanFiles(texts, image, DEFINED)
            const request = {
              patterns: texts.map(each => ({ kind: 'yara' as const, ...each })),
              externals: EXTERNALS,
              jobs,
              matcher: matcher as 'auto' | 'embedded',
              tuning: { blockBytes, partitionBytes: blockBytes * blocks },
            }
            let ours: ScannedRules | undefined
            try {
              ours = await scanRules(image, request)
            } catch (error) {
              if (!(error instanceof VmsiftError)) throw error
              expect(theirs.error, `only we refuse: ${error.message}`).toBeDefined()
              return
            }
            // the program has assertions of its own that do not hold
            if (theirs.error !== undefined && !/^error: rule/m.test(theirs.error)) return
            expect(theirs.error).toBeUndefined()
            expect(ours.hints).toEqual([])
            expect({ rules: ours.rules, matches: ours.matches }).toEqual({
              rules: theirs.rules,
              matches: theirs.matches,
            })
          },
        ),
        { numRuns: 6 * factor, interruptAfterTimeLimit: 90_000 * factor },
      )
    },
    120_000 * factor,
  )
})
