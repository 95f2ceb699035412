/**
 * Conditions with their names resolved and their types checked. What YARA 4.2 refuses is refused here in its words, with the
 * place; what only YARA-X takes (`with`, conditions in `of`, lists of texts) is taken.
 */
import type {
  ArithmeticOperator,
  ComparisonOperator,
  Expression,
  ExpressionBody,
  Iterable,
  Quantifier,
  Range,
  Span,
  StringReference,
  TextOperator,
  Where,
} from './ast.js'
import { checkPath } from './check-path.js'
import { checkSet } from './check-set.js'
import { foldConstant } from './constants.js'
import { MAX_STATES, statesOf } from './evaluate/regex-search.js'
import { RuleFault } from './problem.js'
import type { RuleScope, Type } from './scope.js'
import type { SourceText } from './source-text.js'
import { regexOf } from './strings.js'
import type {
  SyntaxBinary,
  SyntaxExpression,
  SyntaxForIn,
  SyntaxForOf,
  SyntaxOf,
  SyntaxQuantifier,
  SyntaxRange,
  SyntaxStringName,
  SyntaxWhere,
  SyntaxWith,
} from './syntax.js'

/** Deepest condition: more than anybody writes, less than the stack holds. */
const MAX_DEPTH = 500
const MAX_LOOPS = 16
const HIGHEST_INTEGER = 2n ** 63n - 1n

const COMPARISONS: readonly string[] = ['==', '!=', '<', '<=', '>', '>=']
const TEXT_OPERATORS: readonly string[] = [
  'contains',
  'icontains',
  'startswith',
  'istartswith',
  'endswith',
  'iendswith',
  'iequals',
]

/** An expression with what is known of it. */
export interface Checked {
  readonly node: Expression
  readonly type: Type
  /** Its value where it is an integer that is known: YARA computes those when it compiles. */
  readonly constant?: bigint | undefined
}

export class ConditionChecker {
  readonly scope: RuleScope
  readonly source: SourceText
  /** Told of what is allowed and looks like a mistake. */
  readonly warn: (span: Span, message: string) => void
  #depth = 0
  #loops = 0

  constructor(scope: RuleScope, source: SourceText, warn: (span: Span, message: string) => void) {
    this.scope = scope
    this.source = source
    this.warn = warn
  }

  /**
   * A condition, which may be of any type that has a truth.
   * @throws RuleFault
   */
  condition(syntax: SyntaxExpression): Expression {
    const { node, type } = this.expression(syntax)
    if (type === 'regex')
      throw new RuleFault(
        syntax,
        'a regular expression is no condition: compare a text with it, by "matches"',
      )
    if (node.kind === 'text') this.warn(syntax, 'literal text in a condition: it is always true')
    return node
  }

  /** Any expression. */
  expression(syntax: SyntaxExpression): Checked {
    if (++this.#depth > MAX_DEPTH) throw new RuleFault(syntax, 'condition is nested too deep')
    const checked = this.#dispatch(syntax)
    this.#depth--
    return checked
  }

  integer(syntax: SyntaxExpression, what: string): Checked {
    const checked = this.expression(syntax)
    this.#expect(checked.type, ['integer'], syntax, what)
    return checked
  }

  #dispatch(syntax: SyntaxExpression): Checked {
    const is = (body: ExpressionBody, type: Type, constant?: bigint): Checked => ({
      node: { ...body, start: syntax.start, end: syntax.end },
      type,
      constant,
    })
    switch (syntax.kind) {
      case 'boolean':
        return is({ kind: 'boolean', value: syntax.value }, 'boolean')
      case 'integer':
        if (syntax.value > HIGHEST_INTEGER)
          throw new RuleFault(syntax, `integer overflow in "${this.#textOf(syntax)}"`)
        return is({ kind: 'integer', value: syntax.value }, 'integer', syntax.value)
      case 'float':
        return is({ kind: 'float', value: syntax.value }, 'float')
      case 'text':
        return is({ kind: 'text', bytes: Buffer.from(syntax.value, 'latin1') }, 'text')
      case 'regex':
        return is({ kind: 'regex', regex: regexOf(this.source, syntax) }, 'regex')
      case 'filesize':
        return is({ kind: 'filesize' }, 'integer')
      case 'entrypoint':
        throw new RuleFault(
          syntax,
          '"entrypoint" is the entry point of a file, which memory does not have: import "pe" or "elf" and use its entry_point',
        )
      case 'read':
        return is(
          { ...readerOf(syntax.word), offset: this.integer(syntax.offset, syntax.word).node },
          'integer',
        )
      case 'found': {
        const where = this.where(syntax.where)
        return is({ kind: 'found', string: this.#string(syntax.string, where), where: where.node }, 'boolean')
      }
      case 'count': {
        const range = syntax.range === null ? undefined : this.range(syntax.range)
        return is({ kind: 'count', string: this.#string(syntax.string), range }, 'integer')
      }
      case 'offset':
      case 'length': {
        const index: Expression =
          syntax.index === null
            ? { kind: 'integer', value: 1n, start: syntax.end, end: syntax.end }
            : this.integer(syntax.index, syntax.kind === 'offset' ? '@' : '!').node
        return is({ kind: syntax.kind, string: this.#string(syntax.string), index }, 'integer')
      }
      case 'unary':
        return this.#unary(syntax.operator, syntax.operand, is)
      case 'binary':
        return this.#binary(syntax, is)
      case 'matches': {
        const { node, type } = this.expression(syntax.text)
        this.#expect(type, ['text'], syntax.text, 'matches')
        const regex = regexOf(this.source, syntax.regex)
        if (statesOf(regex.node) > MAX_STATES)
          throw new RuleFault(syntax.regex, 'regular expression is too large')
        return is({ kind: 'matches', text: node, regex }, 'boolean')
      }
      case 'and':
      case 'or':
        return is({ kind: syntax.kind, items: syntax.items.map(item => this.condition(item)) }, 'boolean')
      case 'of':
        return is(this.#of(syntax), 'boolean')
      case 'for-of':
        return is(this.#forOf(syntax), 'boolean')
      case 'for-in':
        return is(this.#forIn(syntax), 'boolean')
      case 'with':
        return is(this.#with(syntax), 'boolean')
      case 'path':
        return checkPath(this, syntax)
    }
  }

  #unary(
    operator: '-' | '~' | 'not' | 'defined',
    syntax: SyntaxExpression,
    is: (body: ExpressionBody, type: Type, constant?: bigint) => Checked,
  ): Checked {
    if (operator === 'not' || operator === 'defined')
      return is({ kind: operator, operand: this.condition(syntax) }, 'boolean')
    const { node, type, constant } = this.expression(syntax)
    if (operator === '~') {
      this.#expect(type, ['integer'], syntax, '~')
      return is(
        { kind: 'complement', operand: node },
        'integer',
        constant === undefined ? undefined : ~constant,
      )
    }
    this.#expect(type, ['integer', 'float'], syntax, '-')
    const float = type === 'float'
    return is(
      { kind: 'negate', operand: node, type: float ? 'float' : 'integer' },
      type,
      constant === undefined ? undefined : BigInt.asIntN(64, -constant),
    )
  }

  #binary(
    syntax: SyntaxBinary,
    is: (body: ExpressionBody, type: Type, constant?: bigint) => Checked,
  ): Checked {
    const { operator } = syntax
    const left = this.expression(syntax.left)
    const right = this.expression(syntax.right)
    const operands = { left: left.node, right: right.node }
    if (TEXT_OPERATORS.includes(operator)) {
      this.#expect(left.type, ['text'], syntax.left, operator)
      this.#expect(right.type, ['text'], syntax.right, operator)
      return is({ kind: 'textual', operator: operator as TextOperator, ...operands }, 'boolean')
    }
    if (COMPARISONS.includes(operator)) {
      const type = this.#comparedAs(syntax, left.type, right.type)
      return is({ kind: 'compare', operator: operator as ComparisonOperator, ...operands, type }, 'boolean')
    }
    const types: readonly Type[] = '+-*\\'.includes(operator) ? ['integer', 'float'] : ['integer']
    this.#expect(left.type, types, syntax.left, operator)
    this.#expect(right.type, types, syntax.right, operator)
    const type = left.type === 'float' || right.type === 'float' ? 'float' : 'integer'
    return is(
      { kind: 'arithmetic', operator: operator as ArithmeticOperator, ...operands, type },
      type,
      type === 'float'
        ? undefined
        : foldConstant(operator as ArithmeticOperator, left.constant, right.constant, syntax),
    )
  }

  #comparedAs(syntax: SyntaxBinary, left: Type, right: Type): 'integer' | 'float' | 'text' {
    const one = left === 'unknown' ? right : left
    const other = right === 'unknown' ? left : right
    if (one === 'unknown') return 'integer'
    const numbers = (type: Type) => type === 'integer' || type === 'float'
    if (numbers(one) && numbers(other)) return one === 'float' || other === 'float' ? 'float' : 'integer'
    if (one === 'text' && other === 'text') return 'text'
    throw new RuleFault(syntax, `type mismatch: ${one} ${syntax.operator} ${other}`)
  }

  #of(syntax: SyntaxOf): ExpressionBody {
    const quantifier = this.#quantifier(syntax.quantifier)
    const items = checkSet(this, syntax.set)
    if (syntax.where !== null && items.kind !== 'strings')
      throw new RuleFault(syntax.set, 'only strings can be looked for at an offset or in a range')
    return { kind: 'of', quantifier, items, where: this.where(syntax.where).node }
  }

  #forOf(syntax: SyntaxForOf): ExpressionBody {
    const quantifier = this.#quantifier(syntax.quantifier)
    const items = checkSet(this, syntax.set)
    if (items.kind !== 'strings') throw new RuleFault(syntax.set, '"for ... of" goes through strings')
    this.scope.loops++
    const body = this.#inLoop(syntax, () => this.condition(syntax.body))
    this.scope.loops--
    return { kind: 'for-of', quantifier, strings: items.strings, body }
  }

  #forIn(syntax: SyntaxForIn): ExpressionBody {
    const quantifier = this.#quantifier(syntax.quantifier)
    const { iterable, type } = this.#iterable(syntax)
    const [first] = syntax.variables
    if (iterable !== undefined && syntax.variables.length !== 1)
      throw new RuleFault(
        syntax.variables[1] ?? syntax,
        `iterator yields one item on each iteration, but the loop expects ${syntax.variables.length}`,
      )
    const added = syntax.variables.map(name => ({ name: name.text, span: name, type }))
    const { body, slot } = this.scope.withVariables(added, ([variable]) => ({
      slot: variable?.slot ?? 0,
      body: this.#inLoop(syntax, () => this.condition(syntax.body)),
    }))
    if (iterable === undefined) return { kind: 'foreign', name: first?.text ?? '' }
    return { kind: 'for-in', quantifier, slot, iterable, body }
  }

  /** What a loop goes through; undefined where only YARA-X knows. */
  #iterable({ iterable }: SyntaxForIn): { iterable: Iterable | undefined; type: Type } {
    switch (iterable.kind) {
      case 'range':
        return { iterable: { kind: 'range', range: this.range(iterable.range) }, type: 'integer' }
      case 'path': {
        const { type } = checkPath(this, iterable.path)
        if (type !== 'unknown')
          throw new RuleFault(iterable, `identifier "${iterable.path.name}" is not iterable`)
        return { iterable: undefined, type }
      }
      case 'list': {
        const items = iterable.items.map(item => this.expression(item))
        const type = items.find(item => item.type !== 'unknown')?.type ?? 'unknown'
        items.forEach((item, index) => {
          if (item.type === 'regex' || (item.type !== type && item.type !== 'unknown'))
            throw new RuleFault(
              iterable.items[index] ?? iterable,
              `wrong type for enumeration item: ${item.type} among ${type}`,
            )
        })
        return { iterable: { kind: 'list', items: items.map(item => item.node) }, type }
      }
    }
  }

  #with(syntax: SyntaxWith): ExpressionBody {
    const values = syntax.variables.map(({ name, value }) => ({ name, ...this.expression(value) }))
    for (const { name, type } of values)
      if (type === 'regex') throw new RuleFault(name, "a variable can't be a regular expression")
    const added = values.map(({ name, type }) => ({ name: name.text, span: name, type }))
    return this.scope.withVariables(added, variables => ({
      kind: 'with',
      variables: values.map(({ node }, index) => ({ slot: variables[index]?.slot ?? 0, value: node })),
      body: this.condition(syntax.body),
    }))
  }

  #inLoop<Result>(span: Span, run: () => Result): Result {
    if (++this.#loops > MAX_LOOPS) throw new RuleFault(span, 'loop nesting limit exceeded')
    const result = run()
    this.#loops--
    return result
  }

  #quantifier(syntax: SyntaxQuantifier): Quantifier {
    if (syntax.kind !== 'count' && syntax.kind !== 'percent') return { kind: syntax.kind }
    const { node, constant } = this.integer(syntax.value, 'of')
    if (syntax.kind === 'percent' && constant !== undefined && (constant < 1n || constant > 100n))
      throw new RuleFault(syntax.value, 'percentage must be between 1 and 100 (inclusive)')
    return { kind: syntax.kind, value: node }
  }

  /** Where a string is to be found, with the offset of an `at` where it is a constant. */
  where(syntax: SyntaxWhere | null): { readonly node: Where; readonly constant?: bigint | undefined } {
    if (syntax === null) return { node: { kind: 'anywhere' } }
    if (syntax.kind === 'in') return { node: { kind: 'in', range: this.range(syntax.range) } }
    const { node, constant } = this.integer(syntax.offset, 'at')
    return { node: { kind: 'at', offset: node }, constant }
  }

  range(syntax: SyntaxRange): Range {
    const bound = (side: SyntaxExpression, name: string) => {
      const { node, type } = this.expression(side)
      if (type !== 'integer' && type !== 'unknown')
        throw new RuleFault(side, `wrong type for range's ${name} bound: ${type}`)
      return node
    }
    return { from: bound(syntax.from, 'lower'), to: bound(syntax.to, 'upper') }
  }

  #string(
    syntax: SyntaxStringName,
    where?: { readonly node: Where; readonly constant?: bigint | undefined },
  ): StringReference {
    const use = where?.node.kind === 'at' ? 'at' : where?.node.kind === 'anywhere' ? 'found' : 'other'
    const { strings, loops } = this.scope
    if (syntax.name !== '') {
      const index = strings.find(syntax.name, syntax)
      strings.use(index, use, where?.constant)
      return { kind: 'string', index }
    }
    if (loops === 0)
      throw new RuleFault(syntax, 'wrong use of anonymous string: it has no name, but in "for ... of"')
    strings.useLoop(use, where?.constant)
    return { kind: 'loop' }
  }

  #expect(type: Type, types: readonly Type[], span: Span, operator: string): void {
    if (type !== 'unknown' && !types.includes(type))
      throw new RuleFault(span, `wrong type "${type}" for ${operator} operator`)
  }

  #textOf({ start, end }: Span): string {
    return this.source.text.slice(start, Math.min(end, start + 40)).trim()
  }
}

function readerOf(word: string): {
  readonly kind: 'read'
  readonly bytes: 1 | 2 | 4
  readonly signed: boolean
  readonly bigEndian: boolean
} {
  return {
    kind: 'read',
    bytes: word.includes('32') ? 4 : word.includes('16') ? 2 : 1,
    signed: !word.startsWith('u'),
    bigEndian: word.endsWith('be'),
  }
}
