import fc from 'fast-check'
import { expect, it } from 'vitest'
import { checkRules } from '../../src/rules/compile.js'
import { Conditions } from '../../src/rules/conditions.js'
import { spaceOf } from '../reference/yara/evaluate.js'

const RULES = `import "math"
global rule g { condition: filesize < 10MB }
private rule a : t1 t2 {
  meta: d = "x" n = -3 b = true
  strings: $a = "ab\\x41\\n" wide ascii xor(1-5) $b = { 01 ?2 [2-4] (AA | ~BB ?? [3] 01) FF } private
    $c = /ab[c\\/]d{2,}(e|f)*/is nocase $ = "anon" fullword $d = "abc" base64
  condition: $a and (#b in (0..filesize) > 3 or not @c[2] + 1 * 2 == 0x10) and 50% of ($a, $b*)
    and for any i in (1..#a) : ( @a[i] < 100 ) and 2 of them in (1..3) and for all of them : ( $ at 3 )
    and with x = 3 : ( uint16be(uint32(4)) == x ) and $d
}
rule c { condition: a and not defined uint8(filesize) or 1.5 + 2 > 3 \\ 2 or all of (a*) or math.entropy(0, 3) > 1.0 /* end */ }`

const piece = fc.constantFrom(
  ...'( ) { } [ ] " / \\ $ # @ ! of them any all not and 1 .. , * % at in for : = - ~ | ? < // /* */ 0x 9 . é'.split(
    ' ',
  ),
  '\n',
  '\0',
)

it('rules that are broken anywhere are compiled or refused with a place, never anything else', () => {
  const edit = fc.record({ at: fc.nat(RULES.length), drop: fc.nat(3), add: fc.option(piece, { nil: '' }) })
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), edits => {
      const source = edits.reduce(
        (text, { at, drop, add }) => text.slice(0, at) + add + text.slice(at + drop),
        RULES,
      )
      const { ruleSet, problems } = checkRules([{ source }])
      for (const { line, column, message } of problems) {
        expect(line).toBeGreaterThan(0)
        expect(column).toBeGreaterThan(0)
        expect(message).toMatch(/^rule:\d+:\d+: ./)
      }
      // What is left of the rules can be evaluated.
      new Conditions(ruleSet).evaluate(spaceOf(Buffer.from('some bytes'), new Map()), {
        maxRuleSteps: 10_000,
      })
    }),
    { numRuns: 400 },
  )
})
