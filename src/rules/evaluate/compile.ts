/** Conditions to functions: each node becomes a closure, once a rule set. */
import type { Expression, Rule, StringReference } from '../ast.js'
import { partsOf } from './long.js'
import { of, range } from './loops.js'
import { countIn, isAt, signed, unsigned } from './matches.js'
import { arithmetic, comparison } from './numbers.js'
import type { Part } from './parts.js'
import { type EvaluationState, isTrue, type Run } from './state.js'
import { relateTexts } from './text.js'

/** Makes a function of a node of the same rule. */
export type Compile = (node: Expression) => Run

type Node<Kind extends Expression['kind']> = Expression & { readonly kind: Kind }

/** A rule's condition, ready to be evaluated. */
export function compileCondition(rule: Pick<Rule, 'strings' | 'condition'>): Part {
  return partsOf(
    compileNode,
    rule.strings.map(({ id }) => id),
  )(rule.condition)
}

/** A node that is done at once; `compile` is for those right below it. */
function compileNode(node: Expression, compile: Compile, ids: readonly number[]): Run {
  switch (node.kind) {
    case 'boolean':
    case 'integer':
    case 'float': {
      const { value } = node
      return () => value
    }
    case 'text': {
      const { bytes } = node
      return () => bytes
    }
    case 'filesize':
      return state => state.space.filesize
    case 'variable': {
      const { slot } = node
      return state => state.frame[slot]
    }
    case 'rule': {
      const { rule } = node
      return state => state.holds[rule] === 1
    }
    case 'found':
      return found(node, compile, ids)
    case 'count':
      return count(node, compile, ids)
    case 'offset':
      return nth(node, compile, ids, (matches, index) => signed(matches.offsetAt(index)))
    case 'length':
      return nth(node, compile, ids, (matches, index) => BigInt(matches.lengthAt(index)))
    case 'read':
      return read(node, compile(node.offset))
    case 'negate':
      return negate(node, compile(node.operand))
    case 'complement': {
      const operand = compile(node.operand)
      return state => {
        const value = operand(state)
        return value === undefined ? undefined : ~(value as bigint)
      }
    }
    case 'arithmetic':
      return arithmetic(node, compile(node.left), compile(node.right))
    case 'compare':
      return comparison(node, compile(node.left), compile(node.right))
    case 'textual': {
      const { operator } = node
      return onTexts(compile(node.left), compile(node.right), (one, other) =>
        relateTexts(operator, one, other),
      )
    }
    case 'not': {
      const operand = compile(node.operand)
      return state => {
        const value = operand(state)
        return value === undefined ? undefined : !isTrue(value)
      }
    }
    case 'defined': {
      const operand = compile(node.operand)
      return state => operand(state) !== undefined
    }
    case 'and': {
      const items = node.items.map(compile)
      return state => items.every(item => isTrue(item(state)))
    }
    case 'or': {
      const items = node.items.map(compile)
      // The value itself where it is true, as YARA leaves it: a loop may add it up.
      return state => {
        for (const item of items) {
          const value = item(state)
          if (isTrue(value)) return value
        }
        return false
      }
    }
    case 'of':
      return of(compile, node, ids)
    case 'with':
      return withVariables(node, compile)
    case 'for-of':
    case 'for-in':
    case 'call':
    case 'matches':
      throw new Error(`${node.kind} is done in pieces`)
    case 'regex':
    case 'foreign':
      // Never asked for: arguments of no function here, and rules that YARA-X runs.
      return () => undefined
  }
}

/** Id of the string that is meant. */
function idOf(reference: StringReference, ids: readonly number[]): (state: EvaluationState) => number {
  if (reference.kind === 'loop') return state => state.loop
  const id = ids[reference.index] ?? -1
  return () => id
}

function found(node: Node<'found'>, compile: Compile, ids: readonly number[]): Run {
  const id = idOf(node.string, ids)
  switch (node.where.kind) {
    case 'anywhere':
      return state => state.matches(id(state)).count > 0
    case 'at': {
      const offset = compile(node.where.offset)
      return state => {
        const value = offset(state)
        return value === undefined ? false : isAt(state.matches(id(state)), value as bigint)
      }
    }
    case 'in': {
      const bounds = range(compile, node.where.range)
      return state => {
        const between = bounds(state)
        return between === undefined
          ? undefined
          : countIn(state.matches(id(state)), between[0], between[1]) > 0
      }
    }
  }
}

function count(node: Node<'count'>, compile: Compile, ids: readonly number[]): Run {
  const id = idOf(node.string, ids)
  if (node.range === undefined) return state => BigInt(state.matches(id(state)).count)
  const bounds = range(compile, node.range)
  return state => {
    const between = bounds(state)
    return between === undefined
      ? undefined
      : BigInt(countIn(state.matches(id(state)), between[0], between[1]))
  }
}

function nth(
  node: Node<'offset'> | Node<'length'>,
  compile: Compile,
  ids: readonly number[],
  take: (matches: ReturnType<EvaluationState['matches']>, index: number) => bigint,
): Run {
  const id = idOf(node.string, ids)
  const index = compile(node.index)
  return state => {
    const value = index(state)
    if (value === undefined) return undefined
    const matches = state.matches(id(state))
    const at = value as bigint
    return at < 1n || at > BigInt(matches.count) ? undefined : take(matches, Number(at) - 1)
  }
}

function read({ bytes, signed: isSigned, bigEndian }: Node<'read'>, offset: Run): Run {
  return state => {
    const at = offset(state)
    if (at === undefined) return undefined
    const found = state.space.read(unsigned(at as bigint), bytes)
    if (found.length < bytes) return undefined
    let value = 0
    for (let i = 0; i < bytes; i++) value = value * 256 + (found[bigEndian ? i : bytes - 1 - i] ?? 0)
    if (isSigned && value >= 2 ** (bytes * 8 - 1)) value -= 2 ** (bytes * 8)
    return BigInt(value)
  }
}

function negate({ type }: Node<'negate'>, operand: Run): Run {
  return state => {
    const value = operand(state)
    if (value === undefined) return undefined
    return type === 'float' ? -(value as number) : BigInt.asIntN(64, -(value as bigint))
  }
}

function onTexts(left: Run, right: Run, test: (one: Uint8Array, other: Uint8Array) => boolean): Run {
  return state => {
    const one = left(state)
    const other = right(state)
    if (one === undefined || other === undefined) return undefined
    state.spend((one as Uint8Array).length >>> 10)
    return test(one as Uint8Array, other as Uint8Array)
  }
}

function withVariables(node: Node<'with'>, compile: Compile): Run {
  const variables = node.variables.map(({ slot, value }) => ({ slot, run: compile(value) }))
  const body = compile(node.body)
  return state => {
    for (const { slot, run } of variables) state.frame[slot] = run(state)
    return body(state)
  }
}
