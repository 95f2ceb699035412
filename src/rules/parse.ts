/** Rule text to its syntax tree, with errors that tell what stands there and what could. */
import { SyntaxError as GrammarError, parse } from './grammar/parser.js'
import { RuleFault } from './problem.js'
import { decoded, type SourceText } from './source-text.js'
import type { SyntaxItem } from './syntax.js'

/** What a syntax error shows of what stands there. */
const TOKEN =
  /[A-Za-z0-9_]+|[$#@!][A-Za-z0-9_]*\*?|"(?:\\.|[^"\\\n])*"?|==|!=|<=|>=|<<|>>|\.\.|[\x80-\xff]+|[\s\S]/y
const MAX_TOKEN = 40
const MAX_EXPECTED = 6
/** A mark of byte order, or every other byte a zero. */
const UTF16 = /^(?:\xff\xfe|\xfe\xff|\0[^\0]|[^\0]\0)/

interface Expectation {
  readonly type: string
  readonly description?: string
  readonly text?: string
}

/**
 * Parses one text.
 * @throws RuleFault for the first syntax error.
 */
export function parseSource(source: SourceText): readonly SyntaxItem[] {
  const options = { place: 0 }
  try {
    return parseQuickly(source.text) ?? (parse(source.text, options) as SyntaxItem[])
  } catch (error) {
    if (error instanceof RangeError)
      throw new RuleFault(
        { start: options.place, end: options.place + 1 },
        'parentheses are nested too deep: write it with fewer',
      )
    if (!(error instanceof GrammarError)) throw error
    throw syntaxFault(source, error as unknown as GrammarFault)
  }
}

/** Without what a syntax error would tell, which takes half of the time; undefined where there is one. */
function parseQuickly(text: string): SyntaxItem[] | undefined {
  try {
    return parse(text, { peg$silentFails: 1 }) as SyntaxItem[]
  } catch (error) {
    if (error instanceof GrammarError || error instanceof RangeError) return undefined
    throw error
  }
}

/** What the generated parser throws. */
interface GrammarFault {
  readonly message: string
  /** Null for the grammar's own messages. */
  readonly expected: readonly Expectation[] | null
  readonly location: { readonly start: { readonly offset: number } }
}

function syntaxFault(source: SourceText, error: GrammarFault): RuleFault {
  if (UTF16.test(source.text))
    return new RuleFault({ start: 0, end: 0 }, 'this is UTF-16: save the rules as UTF-8')
  const start = error.location.start.offset
  if (source.text.startsWith('/*', start) && !source.text.includes('*/', start + 2))
    return new RuleFault({ start, end: start + 2 }, 'this comment has no end: write */ behind it')
  TOKEN.lastIndex = start
  const token = TOKEN.exec(source.text)?.[0] ?? ''
  const span = { start, end: start + Math.max(1, token.length) }
  if (error.expected === null) return new RuleFault({ start, end: start + 1 }, error.message)
  const expected = namesOf(error.expected)
  const list =
    expected.length > MAX_EXPECTED ? '' : `, expected ${expected.join(', ').replace(/, ([^,]*)$/, ' or $1')}`
  return new RuleFault(span, `syntax error: unexpected ${shownToken(token)}${list}`)
}

function shownToken(token: string): string {
  if (token === '') return 'end of file'
  const first = token.charCodeAt(0)
  if (first > 126)
    return `non-ASCII character "${decoded(token)}"`.replace('\ufffd', `\\x${first.toString(16)}`)
  if (first < 32) return first === 10 ? 'end of line' : `byte ${first}`
  return `"${decoded(token.slice(0, MAX_TOKEN))}"`
}

/** Without white space, which could stand anywhere, and single characters of classes. */
function namesOf(expected: readonly Expectation[]): string[] {
  const names = expected.flatMap(({ type, description, text }) => {
    if (type === 'literal' && text !== undefined) return [`"${text}"`]
    if (type === 'other' && description !== undefined && description !== 'white space') return [description]
    return type === 'end' ? ['end of file'] : []
  })
  return [...new Set(names)].sort()
}
