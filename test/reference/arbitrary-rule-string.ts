/** YARA strings at random, as their source text, over few letters so that they match; with data to match in. */
import fc from 'fast-check'

const letter = fc.constantFrom('a', 'b', 'c', 'x', '1')
const word = fc.array(letter, { minLength: 1, maxLength: 6 }).map(letters => letters.join(''))

const TEXT_MODIFIERS = [
  '',
  ' nocase',
  ' wide',
  ' ascii wide',
  ' fullword',
  ' wide fullword',
  ' ascii wide fullword',
  ' nocase ascii wide fullword',
  ' xor',
  ' xor(1-3)',
  ' xor wide',
  ' xor ascii wide',
  ' xor fullword',
]
const text = fc
  .tuple(word, fc.constantFrom(...TEXT_MODIFIERS))
  .map(([value, modifiers]) => `"${value}"${modifiers}`)
const base64 = fc
  .tuple(word, fc.constantFrom(' base64', ' base64wide', ' base64 base64wide', ' base64 wide'))
  .map(([value, modifiers]) => `"${value}abc"${modifiers}`)

const hexByte = fc.constantFrom('61', '62', '63', '78', '31', '00', '6?', '?1', '??')
const jump = fc.constantFrom('[0-3]', '[2]', '[1-5]', '[1]', '[0-300]', '[-]', '[5-]', '[201-250]')
const hexRow = fc.array(hexByte, { minLength: 1, maxLength: 4 }).map(bytes => bytes.join(' '))
const hexChoice = fc.array(hexRow, { minLength: 1, maxLength: 3 }).map(rows => `( ${rows.join(' | ')} )`)
const hex = fc
  .tuple(
    hexRow,
    fc.array(fc.tuple(fc.oneof(jump, hexChoice, hexByte), hexRow), { minLength: 0, maxLength: 3 }),
  )
  .map(([first, more]) => `{ ${first} ${more.map(pair => pair.join(' ')).join(' ')} }`)

/** No atom is taken from these, of one byte or of several. */
const byteClass = fc.constantFrom(
  '[ab]',
  '[^a]',
  '[a-c]',
  '[a]',
  '[aA]',
  '[^\\n]',
  '\\w',
  '\\d',
  '\\s',
  '\\W',
  '\\D',
  '.',
)
const single = fc.oneof({ weight: 6, arbitrary: letter }, { weight: 2, arbitrary: byteClass })
const count = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '{3,5}')
/** Of groups that match nearly everywhere: with many they take too long, and are given up. */
const few = fc.constantFrom('', '', '?', '{2}', '{1,3}')
const assertion = fc.constantFrom('\\b', '\\B', '^', '$')

/** All counts are greedy, or none: libyara takes no mixture. */
function expression(
  suffix: string,
  item: fc.Arbitrary<string> = single,
  groupCount: fc.Arbitrary<string> = count,
): fc.Arbitrary<string> {
  const counted = fc.tuple(item, count).map(([one, times]) => one + times + (times === '' ? '' : suffix))
  const row = fc.array(counted, { minLength: 1, maxLength: 4 }).map(items => items.join(''))
  const group = fc
    .tuple(fc.array(row, { minLength: 1, maxLength: 3 }), groupCount)
    .map(([rows, times]) => `(${rows.join('|')})${times}${times === '' ? '' : suffix}`)
  return fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: row },
        { weight: 2, arbitrary: group },
        { weight: 1, arbitrary: assertion },
      ),
      { minLength: 1, maxLength: 4 },
    )
    .map(parts => parts.join(''))
}
const regex = fc
  .tuple(
    fc.oneof(
      { weight: 2, arbitrary: fc.oneof(expression(''), expression('?')) },
      { weight: 1, arbitrary: fc.oneof(expression('', byteClass, few), expression('?', byteClass, few)) },
    ),
    fc.constantFrom('', '', 'i', 's', 'is'),
    fc.constantFrom('', '', ' wide', ' ascii wide', ' fullword', ' nocase', ' wide fullword'),
  )
  .map(([source, flags, modifiers]) => `/${source}/${flags}${modifiers}`)

/** What stands behind `$a = `. */
export const ruleString: fc.Arbitrary<string> = fc.oneof(text, base64, hex, regex)

/** Bytes that such strings match in: letters, some of them wide, some xored. */
export const ruleData: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(0x61, 0x62, 0x63, 0x78, 0x31, 0x41, 0x20, 0x0a, 0) },
      { weight: 1, arbitrary: fc.nat(255) },
    ),
    { minLength: 30, maxLength: 3000 },
  )
  .chain(bytes => fc.constantFrom('plain', 'wide', 'xored').map(kind => shaped(Uint8Array.from(bytes), kind)))

function shaped(bytes: Uint8Array, kind: string): Uint8Array {
  if (kind === 'wide') return bytes.map((byte, at) => (at % 2 === 1 ? 0 : byte))
  return kind === 'xored' ? bytes.map(byte => byte ^ 2) : bytes
}
