/** Arithmetic and comparisons: undefined operands give undefined, but where YARA has it otherwise. */
import type { ComparisonOperator, Expression } from '../ast.js'
import { computeInteger } from '../constants.js'
import type { Value } from '../modules/module.js'
import type { Run } from './state.js'
import { compareTexts } from './text.js'

const EPSILON = Number.EPSILON

type Node<Kind extends Expression['kind']> = Expression & { readonly kind: Kind }

const toFloat = (value: Value): number => (typeof value === 'number' ? value : Number(value))

/** `+ - * \ % & | ^ << >>` */
export function arithmetic({ operator, type }: Node<'arithmetic'>, left: Run, right: Run): Run {
  if (type === 'integer')
    return state => {
      const one = left(state)
      const other = right(state)
      return one === undefined || other === undefined
        ? undefined
        : computeInteger(operator, one as bigint, other as bigint)
    }
  const compute = (one: number, other: number): number => {
    switch (operator) {
      case '+':
        return one + other
      case '-':
        return one - other
      case '*':
        return one * other
      default:
        return one / other
    }
  }
  return state => {
    const one = left(state)
    const other = right(state)
    return one === undefined || other === undefined ? undefined : compute(toFloat(one), toFloat(other))
  }
}

/** `== != < <= > >=` */
export function comparison({ operator, type }: Node<'compare'>, left: Run, right: Run): Run {
  const test = testOf(operator, type)
  // YARA's one exception: `<` of floats is false where an operand is undefined.
  const otherwise = type === 'float' && operator === '<' ? false : undefined
  return state => {
    const one = left(state)
    const other = right(state)
    return one === undefined || other === undefined ? otherwise : test(one, other)
  }
}

function testOf(
  operator: ComparisonOperator,
  type: Node<'compare'>['type'],
): (one: Value, other: Value) => boolean {
  switch (type) {
    case 'integer':
      return (one, other) => isOrdered(operator, one as bigint, other as bigint)
    case 'text':
      return (one, other) => isOrdered(operator, compareTexts(one as Uint8Array, other as Uint8Array), 0)
    case 'float':
      return (one, other) => areFloatsOrdered(operator, toFloat(one), toFloat(other))
  }
}

function isOrdered<Type extends bigint | number>(
  operator: ComparisonOperator,
  one: Type,
  other: Type,
): boolean {
  switch (operator) {
    case '==':
      return one === other
    case '!=':
      return one !== other
    case '<':
      return one < other
    case '<=':
      return one <= other
    case '>':
      return one > other
    case '>=':
      return one >= other
  }
}

function areFloatsOrdered(operator: ComparisonOperator, one: number, other: number): boolean {
  if (operator === '==') return Math.abs(one - other) < EPSILON
  if (operator === '!=') return Math.abs(one - other) >= EPSILON
  return isOrdered(operator, one, other)
}
