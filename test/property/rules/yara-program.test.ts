/** Rules against the `yara` program, whose answers they shall have. `VMSIFT_RULE_RUNS` is how many times as long to look. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { VmsiftError } from '../../../src/core/errors.js'
import { compileRules } from '../../../src/rules/compile.js'
import { YaraProgram, yaraVersionHere } from '../../helpers/yara-program.js'
import { ruleFile } from '../../reference/yara/arbitrary-conditions.js'
import { hexString, regexString, ruleBytes, textString } from '../../reference/yara/arbitrary-strings.js'
import { answerOf } from '../../reference/yara/evaluate.js'

const version = yaraVersionHere()
const factor = Number(process.env['VMSIFT_RULE_RUNS'] ?? 1)
const title = `rules agree with the yara program${version?.startsWith('4.2.') ? '' : ` (skipped: yara 4.2 is not here, but ${version ?? 'none'})`}`

describe.skipIf(!version?.startsWith('4.2.'))(title, () => {
  const yara = new YaraProgram()
  afterAll(() => yara[Symbol.dispose]())

  const agree = (rules: string, data: Uint8Array) => {
    const theirs = yara.scan(rules, data)
    try {
      const ours = answerOf(compileRules([{ source: rules }]), data)
      expect(theirs.error).toBeUndefined()
      expect(ours).toEqual({ rules: theirs.rules, matches: theirs.matches })
    } catch (error) {
      if (!(error instanceof VmsiftError)) throw error
      expect(theirs.error, `only we refuse: ${error.message}`).toBeDefined()
    }
  }

  const cases = [
    ['texts', textString],
    ['hex strings', hexString],
    ['regular expressions', regexString],
  ] as const

  it.each(cases)('about %s', (_, arbitrary) => {
    const several = fc.array(arbitrary, { minLength: 4, maxLength: 16 })
    fc.assert(
      fc.property(several, ruleBytes, (definitions, data) => {
        const rules = definitions.map(
          (definition, i) => `rule r${i} { strings: $s = ${definition} condition: $s }`,
        )
        agree(rules.join('\n'), data)
      }),
      { numRuns: 25 * factor },
    )
  })

  it('about conditions', () => {
    fc.assert(
      fc.property(ruleFile, ruleBytes, (rules, data) => agree(rules, data)),
      { numRuns: 25 * factor },
    )
  })
})
