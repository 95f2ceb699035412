/** Integers that are known when rules are compiled: YARA refuses what overflows, and so do we. */
import type { ArithmeticOperator, Span } from './ast.js'
import { RuleFault } from './problem.js'

const LOWEST = -(2n ** 63n)
const HIGHEST = 2n ** 63n - 1n

/**
 * The value of an operation whose operands are known; undefined where one isn't.
 * @throws RuleFault for what has no value: a division by zero, a shift by less than nothing, more than 64 bits.
 */
export function foldConstant(
  operator: ArithmeticOperator,
  left: bigint | undefined,
  right: bigint | undefined,
  span: Span,
): bigint | undefined {
  if ((operator === '\\' || operator === '%') && right === 0n) throw new RuleFault(span, 'division by zero')
  if ((operator === '<<' || operator === '>>') && right !== undefined && right < 0n)
    throw new RuleFault(span, 'shift by a negative number')
  if (left === undefined || right === undefined) return undefined
  const value = computeInteger(operator, left, right)
  if ('+-*'.includes(operator)) {
    const exact = operator === '+' ? left + right : operator === '-' ? left - right : left * right
    if (exact < LOWEST || exact > HIGHEST)
      throw new RuleFault(span, `integer overflow in "${left} ${operator} ${right}"`)
  }
  return value
}

/** An operation on signed 64-bit integers that wraps; undefined for a division by zero and a negative shift. */
export function computeInteger(
  operator: ArithmeticOperator,
  left: bigint,
  right: bigint,
): bigint | undefined {
  switch (operator) {
    case '+':
      return BigInt.asIntN(64, left + right)
    case '-':
      return BigInt.asIntN(64, left - right)
    case '*':
      return BigInt.asIntN(64, left * right)
    case '\\':
      return right === 0n ? undefined : BigInt.asIntN(64, left / right)
    case '%':
      return right === 0n ? undefined : left % right
    case '&':
      return left & right
    case '|':
      return left | right
    case '^':
      return left ^ right
    case '<<':
      if (right < 0n) return undefined
      return right < 64n ? BigInt.asIntN(64, left << right) : 0n
    case '>>':
      if (right < 0n) return undefined
      return right < 64n ? left >> right : 0n
  }
}
