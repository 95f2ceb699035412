import { describe, expect, it } from 'vitest'
import { VmsiftError } from '../../../src/core/errors.js'
import { checkRules, compileRules } from '../../../src/rules/compile.js'

/** A condition that is wrong where `<` and `>` stand around it. */
const condition = (marked: string, rest = '') => `rule a {${rest}\n  condition:\n    ${marked}\n}`
const strings = (marked: string, use = '$a') => `rule a {\n  strings:\n    ${marked}\n  condition: ${use}\n}`

/** Text with the place that is meant in `«»`, and the message. */
const WRONG: readonly (readonly [string, string])[] = [
  // syntax
  ['«rul» a { condition: true }', 'syntax error: unexpected "rul"'],
  ['rule «all» { condition: true }', 'syntax error: unexpected "all", expected identifier'],
  ['rule a { condition «true» }', 'syntax error: unexpected "true", expected ":"'],
  ['rule a {«»', 'syntax error: unexpected end of file, expected "condition", "meta" or "strings"'],
  ['rule «ä» { condition: true }', 'syntax error: unexpected non-ASCII character "ä", expected identifier'],
  [
    'rule a { meta: x = «condition»: true }',
    'syntax error: unexpected "condition", expected "-", "false", "true", number or text',
  ],
  ['rule a { condition: 3 of «}»', 'syntax error: unexpected "}", expected "(" or "them"'],
  [
    'rule a { condition: true } «}»',
    'syntax error: unexpected "}", expected "global", "import", "include", "private", "rule" or end of file',
  ],
  // strings
  [strings('$a = "x«\\q»"'), 'illegal escape sequence: \\t, \\n, \\r, \\", \\\\ and \\xAB are there'],
  [strings('$a = "x«»'), 'unterminated text: its closing quote is missing on this line'],
  [strings('$a = /x«»'), 'unterminated regular expression: its closing slash is missing on this line'],
  [strings('$a = «""»'), 'empty string "$a"'],
  [strings('$a = "a"\n    «$a» = "b"'), 'duplicated string identifier "$a"'],
  [strings('«$b» = "b" $a = "a"'), 'unreferenced string "$b"'],
  [strings('$a = "a" wide «wide»'), 'duplicated modifier "wide"'],
  [strings('$a = "a" xor «nocase»'), 'invalid modifier combination: xor nocase'],
  [strings('$a = "a" base64 «fullword»'), 'invalid modifier combination: base64 fullword'],
  [strings('$a = { 61 } «wide»'), '"wide" is no modifier of a hex string'],
  [strings('$a = /a/ «xor»'), '"xor" is no modifier of a regular expression'],
  [strings('$a = "a" xor(«5»-3)'), 'xor lower bound exceeds upper bound'],
  [strings('$a = "a" xor(3-«256»)'), 'invalid xor range: a key is 0 to 255, not 256'],
  [strings('$a = "a" «base64("abc")»'), 'length of base64 alphabet must be 64'],
  [strings('$a = { «6» }'), 'half a byte: a byte of a hex string is two digits'],
  [strings('$a = { «[2]» 61 }'), "a hex string can't begin with a jump"],
  [strings('$a = { 61 «[2]» }'), "a hex string can't end with a jump"],
  [strings('$a = { 61 «[4-2]» 61 }'), 'invalid jump range'],
  [strings('$a = { 61 «[0]» 61 }'), 'invalid jump length'],
  [strings('$a = { 61 «[-4]» 61 }'), 'a jump is written [4], [4-8], [4-] or [-]'],
  [strings('$a = { 61 [«4294967296»] 61 }'), 'jump is too long: at most 2147483647'],
  [strings('$a = { 61 (62 | 63 «[2-]» 64) }'), 'unbounded jumps not allowed inside alternation (|)'],
  [strings('$a = { 61 (62 | 63 «[201]» 64) }'), 'jumps over 200 not allowed inside alternation (|)'],
  [strings('$a = { «~??» 61 }'), '"~??" matches nothing'],
  [strings('$a = /a\\/(b«/»'), 'invalid regular expression: "(" without its ")"'],
  [
    strings('$a = /a«*»*/'.replace('«*»*', '*«*»')),
    'invalid regular expression: nothing to repeat before "*"',
  ],
  [strings('$a = /a«[»b/'), 'invalid regular expression: "[" without its "]"'],
  [strings('$a = /[«z»-a]/'), 'invalid regular expression: bad range: its end is lower than its start'],
  [strings('$a = /(a)«\\»1/'), 'invalid regular expression: back-references are not allowed'],
  [
    strings('$a = /a(«?»:b)/'),
    'invalid regular expression: YARA has plain groups only: no "(?", no look-around',
  ],
  [strings('$a = /a«{»5,3}/'), 'invalid regular expression: bad count'],
  [strings('$a = /a«{»40000}/'), 'invalid regular expression: count is too large: at most 32767'],
  [strings('$a = «/a.*b.*?c/»'), "greedy and ungreedy quantifiers can't be mixed in a regular expression"],
  // names
  ['rule a { condition: true } rule «a» { condition: true }', 'duplicated identifier "a"'],
  ['rule a : x «x» { condition: true }', 'duplicated tag identifier "x"'],
  ['import «"nothing"»', 'unknown module "nothing"'].map((text, i) =>
    i === 0 ? '«import "nothing"»' : text,
  ) as [string, string],
  [condition('«$b»'), 'undefined string "$b"'],
  [condition('any of («$b*»)'), 'undefined string "$b*"'],
  [condition('any of «them»'), 'undefined string "$*"'],
  [condition('«foo»'), 'undefined identifier "foo"'],
  [condition('any of («foo*»)'), 'undefined identifier "foo*"'],
  [condition('«pe».is_pe'), 'undefined identifier "pe": import "pe" before the rule'],
  [
    'rule b { condition: true } rule c { condition: any of (b*) } rule «b2» { condition: true }',
    'rule identifier "b2" matches previously used wildcard rule set',
  ],
  [
    condition('«$» at 3', 'strings: $ = "a"'),
    'wrong use of anonymous string: it has no name, but in "for ... of"',
  ],
  [condition('for any i in (1..2) : ( for any «i» in (1..2) : ( true ) )'), 'duplicated loop identifier "i"'],
  [
    condition('for any i, «j» in (1..2) : ( true )'),
    'iterator yields one item on each iteration, but the loop expects 2',
  ],
  [
    `import "math" ${condition('math.«nothing»(1)')}`,
    'invalid field name "nothing": module "math" has no such field',
  ],
  [
    `import "math" ${condition('«math.entropy("a", 3)» > 1.0')}`,
    'wrong arguments for function "math.entropy": it does not take (text, integer)',
  ],
  [`import "math" ${condition('«math»')}`, 'wrong usage of identifier "math": it is a module'],
  [
    `import "math" ${condition('«math.entropy» > 1')}`,
    'wrong usage of identifier "math.entropy": it is a function',
  ],
  [
    condition('«entrypoint» == 3'),
    '"entrypoint" is the entry point of a file, which memory does not have: import "pe" or "elf" and use its entry_point',
  ],
  // types and values
  [condition('1 + «"x"» == 3'), 'wrong type "text" for + operator'],
  [condition('«1 == "x"»'), 'type mismatch: integer == text'],
  [condition('«1.5» % 2 == 1'), 'wrong type "float" for % operator'],
  [condition('~«1.5» == 1'), 'wrong type "float" for ~ operator'],
  [condition('«1» contains "x"'), 'wrong type "integer" for contains operator'],
  [condition('«1» matches /x/'), 'wrong type "integer" for matches operator'],
  [condition('uint8(«"x"») == 1'), 'wrong type "text" for uint8 operator'],
  [condition('$a at «"x"»', 'strings: $a = "a"'), 'wrong type "text" for at operator'],
  [condition('$a in (1..«"x"»)', 'strings: $a = "a"'), "wrong type for range's upper bound: text"],
  [condition('for any i in (1, «"x"») : ( true )'), 'wrong type for enumeration item: text among integer'],
  [condition('«"x"» of them', 'strings: $a = "a"'), 'wrong type "text" for of operator'],
  [condition('«101»% of them', 'strings: $a = "a"'), 'percentage must be between 1 and 100 (inclusive)'],
  [condition('«/x/»'), 'a regular expression is no condition: compare a text with it, by "matches"'],
  [condition('@a[«"x"»] == 1', 'strings: $a = "a"'), 'wrong type "text" for @ operator'],
  [condition('!a[«1.5»] == 1', 'strings: $a = "a"'), 'wrong type "float" for ! operator'],
  [condition('-«"x"» == 1'), 'wrong type "text" for - operator'],
  [condition('"a" contains «1»'), 'wrong type "integer" for contains operator'],
  [condition('1 + «true» == 3'), 'wrong type "boolean" for + operator'],
  [condition('$a in («"x"»..1)', 'strings: $a = "a"'), "wrong type for range's lower bound: text"],
  [condition('«0»% of them', 'strings: $a = "a"'), 'percentage must be between 1 and 100 (inclusive)'],
  [condition('for any i in (1..2) : ( «i» contains "x" )'), 'wrong type "integer" for contains operator'],
  [condition('with «x» = /a/ : ( true )'), "a variable can't be a regular expression"],
  [
    condition('for any of ($a) : ( $ ) and «$» at 3', 'strings: $a = "a"'),
    'wrong use of anonymous string: it has no name, but in "for ... of"',
  ],
  [
    'rule b { condition: true } rule c { condition: any of «(b)» at 3 }',
    'only strings can be looked for at an offset or in a range',
  ],
  [
    'rule b { condition: true } rule c { condition: for any of «(b)» : ( true ) }',
    '"for ... of" goes through strings',
  ],
  [
    'rule b { condition: true } rule c { condition: any of («b*», 1 == 1) }',
    'names with "*" can\'t stand beside conditions',
  ],
  ['rule b { condition: true } rule c { condition: «b.x» }', '"b" is a rule: it has no fields'],
  [`import "math" ${condition('math.MEAN_BYTES«(1)» > 1.0')}`, '"MEAN_BYTES" is a number'],
  [`import "math" ${condition('math.entropy("a").«x» > 1.0')}`, 'what "math.entropy" returns has no fields'],
  ['rule a { meta: x = «9223372036854775808» condition: true }', 'integer overflow in "9223372036854775808"'],
  [condition('«1 \\ 0» == 1'), 'division by zero'],
  [condition('«1 % (2 - 2)» == 1'), 'division by zero'],
  [condition('«9223372036854775807 + 1» == 1'), 'integer overflow in "9223372036854775807 + 1"'],
  [condition('«9223372036854775808» == 1'), 'integer overflow in "9223372036854775808"'],
  [condition('«9007199254740992KB» == 1'), 'integer overflow in "9007199254740992KB"'],
  [condition('«1 << -1» == 1'), 'shift by a negative number'],
]

describe('what is wrong with a rule is told with its place', () => {
  it.each(WRONG)('%s', (marked, message) => {
    const source = marked.replace(/[«»]/g, '')
    const start = marked.indexOf('«')
    const meant = marked.slice(start + 1, marked.indexOf('»'))
    const lines = source.slice(0, start).split('\n')
    const [problem, ...others] = checkRules([{ source, path: 'some/rules.yar' }]).problems
    expect(problem?.message).toBe(`some/rules.yar:${lines.length}:${lines.at(-1)!.length + 1}: ${message}`)
    expect(problem?.line).toBe(lines.length)
    expect(problem?.column).toBe(lines.at(-1)!.length + 1)
    const [shown, carets] = problem!.excerpt.split('\n')
    expect(shown).toContain(source.split('\n')[lines.length - 1]!.trimEnd())
    // A caret under every character that is meant, or one where nothing stands.
    const under = shown!.slice(carets!.indexOf('^'), carets!.lastIndexOf('^') + 1)
    if (meant !== '') expect(meant.startsWith(under) || under.startsWith(meant)).toBe(true)
    expect(others).toEqual([])
  })
})

describe('errors of many rules', () => {
  it('are all told, once each, and a rule that refers to a wrong one is not wrong', () => {
    const source = 'rule a { condition: x }\nrule b { condition: a }\nrule c { condition: y and b }'
    const { ruleSet, problems } = checkRules([{ source }])
    expect(problems.map(({ message }) => message)).toEqual([
      'rule:1:21: undefined identifier "x"',
      'rule:3:21: undefined identifier "y"',
    ])
    expect(ruleSet.rules.map(({ name }) => name)).toEqual(['b'])
  })

  it('are one error for callers, whose detail holds the rest', () => {
    const source = 'rule a { condition: x }\nrule c { condition: y }'
    const error = (() => {
      try {
        compileRules([{ source, path: 'r.yar' }])
        return undefined
      } catch (thrown) {
        return thrown as VmsiftError
      }
    })()
    expect(error).toBeInstanceOf(VmsiftError)
    expect(error?.code).toBe('bad-rule')
    expect(error?.message).toBe('r.yar:1:21: undefined identifier "x"')
    expect(error?.detail).toMatchObject({ path: 'r.yar', line: 1, column: 21, more: 1 })
    expect(error?.detail['text']).toContain('undefined identifier "y"')
  })
})
