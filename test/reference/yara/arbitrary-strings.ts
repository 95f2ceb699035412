/** Random strings of rules, as source text, and bytes that they match often. */
import fc from 'fast-check'

const letters = fc.constantFrom('a', 'b', 'c', 'A', '1', ' ', '_', '\\x00')

const textModifiers = fc.tuple(
  fc.subarray(['wide', 'ascii']),
  fc.constantFrom(
    '',
    '',
    'nocase',
    'xor',
    'xor(1-3)',
    'xor(0x20)',
    'xor(0-31)',
    'base64',
    'base64wide',
    'base64 base64wide',
  ),
  fc.constantFrom('', '', '', 'fullword'),
)

/** `"ab" wide xor(1-3)` */
export const textString: fc.Arbitrary<string> = fc
  .tuple(fc.array(letters, { minLength: 1, maxLength: 7 }), textModifiers)
  .map(([characters, [widths, other, fullword]]) =>
    // Of less than three bytes base64 leaves single characters, of which YARA finds some and not others.
    [
      `"${other.startsWith('base64') ? 'ab' : ''}${characters.join('')}"`,
      ...widths,
      other,
      other.startsWith('base64') ? '' : fullword,
    ]
      .filter(Boolean)
      .join(' '),
  )

const hexByte = fc.constantFrom('61', '62', '63', '61', '62', '6?', '?1', '??', '20')
/** Branches of one length: which of several YARA takes depends on where it begins to look (docs/DECISIONS.md). */
const alternatives = fc
  .integer({ min: 1, max: 3 })
  .chain(length =>
    fc.array(fc.array(hexByte, { minLength: length, maxLength: length }), { minLength: 2, maxLength: 3 }),
  )
  .map(branches => `(${branches.map(bytes => bytes.join(' ')).join(' | ')})`)
const hexItem = fc.oneof({ weight: 8, arbitrary: hexByte }, { weight: 1, arbitrary: alternatives })
const shortJump = fc.constantFrom('[1]', '[2]', '[0-2]', '[1-4]', '[0-3]')
const longJump = fc.constantFrom('[3-]', '[-]', '[0-250]', '[201]', '[2-300]')
const hexItems = fc.array(hexItem, { minLength: 1, maxLength: 3 }).map(items => items.join(' '))
const exactItems = fc
  .array(fc.constantFrom('61', '62', '63', '20'), { minLength: 1, maxLength: 3 })
  .map(items => items.join(' '))

/**
 * `{ 61 [1-4] (62 | 63) }`. With one short jump: YARA 4.2's matcher of several loses matches (docs/DECISIONS.md). Parts of
 * fixed bytes around long ones.
 */
export const hexString: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(hexItems, fc.option(fc.tuple(shortJump, hexItems)))
    .map(([first, rest]) => `{ ${[first, ...(rest ?? [])].join(' ')} }`),
  fc
    .tuple(exactItems, fc.array(fc.tuple(longJump, exactItems), { minLength: 1, maxLength: 2 }))
    .map(([first, rest]) => `{ ${[first, ...rest.flat()].join(' ')} }`),
)

const regexLeaf = fc.constantFrom(
  'a',
  'b',
  'c',
  '.',
  '[ab]',
  '[^a]',
  '\\w',
  '\\s',
  '\\d',
  '\\W',
  '\\x61',
  '[a-c_]',
)
const assertion = fc.constantFrom('\\b', '\\B', '^', '$')

function regexItems(lazy: string): fc.Arbitrary<string> {
  const count = fc
    .constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '{3,12}')
    .map(text => text + lazy)
  return fc.letrec<{ items: string; item: string; group: string }>(tie => ({
    items: fc.array(tie('item'), { minLength: 0, maxLength: 3 }).map(items => items.join('')),
    item: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 6, arbitrary: regexLeaf },
      { weight: 3, arbitrary: fc.tuple(regexLeaf, count).map(([item, repeat]) => item + repeat) },
      { weight: 1, arbitrary: assertion },
      { weight: 2, arbitrary: tie('group') },
    ),
    group: fc
      .array(fc.tuple(regexLeaf, tie('items')), { minLength: 1, maxLength: 2 })
      .map(branches => `(${branches.map(([first, rest]) => first + rest).join('|')})`),
  })).items
}

/** `/a.*bc/is wide`. Each has two letters that it can't do without: without any YARA's answers are odd (docs/DECISIONS.md). */
export const regexString: fc.Arbitrary<string> = fc
  .constantFrom('', '?')
  .chain(lazy =>
    fc
      .tuple(
        regexItems(lazy),
        fc.constantFrom('ab', 'bc', 'ca', 'abc'),
        regexItems(lazy),
        fc.constantFrom('', '', 'i', 's', 'is'),
        fc.subarray(['nocase', 'wide', 'ascii', 'fullword']),
      )
      .map(([before, letters, after, flags, modifiers]) =>
        [`/${before}${letters}${after}/${flags}`, ...modifiers].join(' '),
      ),
  )

const byte = fc.constantFrom(0x61, 0x62, 0x63, 0x61, 0x62, 0x63, 0x41, 0x31, 0x20, 0x00, 0x5f, 0x0a)

/** Bytes as they are, as wide text, under a key, or as base64. */
export const ruleBytes: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.oneof(
      fc.array(byte, { minLength: 1, maxLength: 80 }),
      fc.array(fc.constantFrom(0x61, 0x62, 0x63), { minLength: 1, maxLength: 40 }),
      fc.array(byte, { minLength: 200, maxLength: 700 }),
    ),
    fc.constantFrom('plain', 'plain', 'wide', 'key', 'base64'),
    fc.integer({ min: 1, max: 3 }),
  )
  .map(([values, form, key]) => {
    const bytes = Uint8Array.from(form === 'wide' ? values.flatMap(value => [value, 0]) : values)
    if (form === 'key') return bytes.map(value => value ^ key)
    return form === 'base64' ? new Uint8Array(Buffer.from(Buffer.from(bytes).toString('base64'))) : bytes
  })
