/** Random regular expressions over a small alphabet, as source text. */
import fc from 'fast-check'

const atom = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', 'ab', 'bc') },
  { weight: 2, arbitrary: fc.constantFrom('.', '[ab]', '[^a]', '\\w', '\\W', '\\s', '[a-c\\n]', '\\d') },
  { weight: 1, arbitrary: fc.constantFrom('\\n', ' ', '(?i:A)', '(?s:.)', 'é') },
)

const assertion = fc.constantFrom('^', '$', '(?m:^)', '(?m:$)', '\\b', '\\B', '\\A', '\\z', '\\Z')

const greedy = fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '{3,12}', '{9,}')

/** Sources without assertions; some can match the empty string, and are refused by the parser. */
export const plainRegex: fc.Arbitrary<string> = regexOf(atom)

/** Sources with assertions among their atoms. */
export const assertingRegex: fc.Arbitrary<string> = regexOf(
  fc.oneof({ weight: 4, arbitrary: atom }, { weight: 1, arbitrary: assertion }),
)

function regexOf(leaf: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.letrec<{ regex: string; item: string; group: string }>(tie => ({
    regex: fc
      .array(fc.array(tie('item'), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 })
      .map(branches => branches.map(items => items.join('')).join('|')),
    item: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 5, arbitrary: leaf },
      {
        weight: 3,
        arbitrary: fc.tuple(tie('group'), greedy).map(([group, quantifier]) => group + quantifier),
      },
      { weight: 1, arbitrary: tie('group') },
    ),
    group: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 3, arbitrary: leaf.map(text => `(?:${text})`) },
      { weight: 2, arbitrary: tie('regex').map(text => `(${text})`) },
    ),
  })).regex
}

/** Bytes that such expressions match often. */
export const smallBytes: fc.Arbitrary<Uint8Array> = fc
  .array(fc.constantFrom(0x61, 0x61, 0x62, 0x62, 0x63, 0x0a, 0x20, 0x41, 0xc3, 0xa9, 0x00), { maxLength: 60 })
  .map(values => Uint8Array.from(values))
