/** Nodes that may take long, in pieces: loops, functions over ranges, regular expressions over texts, and whatever holds one of these. */
import type { Expression } from '../ast.js'
import { findFunction } from '../modules/known.js'
import { isInPieces, type Value } from '../modules/module.js'
import { forIn, forOf } from './loops.js'
import type { Part, Parts } from './parts.js'
import { RegexSearch } from './regex-search.js'
import { isTrue, type Run, type RunInPieces } from './state.js'

type Node<Kind extends Expression['kind']> = Expression & { readonly kind: Kind }

/** Makes a function of a node, with `compile` for what lies right below it. */
export type CompileNode = (
  node: Expression,
  compile: (node: Expression) => Run,
  ids: readonly number[],
) => Run

/** Compiles a rule's nodes: `ids` are its strings'. */
export function partsOf(compileNode: CompileNode, ids: readonly number[]): Parts {
  const whole = (node: Expression): Run => compileNode(node, whole, ids)
  const parts: Parts = node =>
    mayTakeLong(node) ? { inPieces: inPieces(node, parts, compileNode, ids) } : { run: whole(node) }
  return parts
}

function mayTakeLong(node: unknown): boolean {
  if (typeof node !== 'object' || node === null || ArrayBuffer.isView(node)) return false
  if (Array.isArray(node)) return node.some(mayTakeLong)
  const { kind } = node as { readonly kind?: unknown }
  if (kind === 'for-in' || kind === 'for-of' || kind === 'call' || kind === 'matches') return true
  return kind !== 'regex' && Object.values(node).some(mayTakeLong)
}

function inPieces(
  node: Expression,
  parts: Parts,
  compileNode: CompileNode,
  ids: readonly number[],
): RunInPieces {
  switch (node.kind) {
    case 'for-in':
      return forIn(parts, node)
    case 'for-of':
      return forOf(parts, node, ids)
    case 'call':
      return call(node, parts)
    case 'matches':
      return matches(node, parts)
    case 'with':
      return withVariables(node, parts)
    case 'and':
      return and(node, parts)
    case 'or':
      return or(node, parts)
    default: {
      // all others need what lies right below them in any case: it is computed first, and handed to the node
      const below: Part[] = []
      const values: Value[] = []
      const take = (child: Expression): Run => {
        const at = below.push(parts(child)) - 1
        return () => values[at]
      }
      const run = compileNode(node, take, ids)
      return function* (state) {
        for (const [at, part] of below.entries())
          values[at] = part.run === undefined ? yield* part.inPieces(state) : part.run(state)
        return run(state)
      }
    }
  }
}

function and({ items }: Node<'and'>, parts: Parts): RunInPieces {
  const all = items.map(parts)
  return function* (state) {
    for (const part of all)
      if (!isTrue(part.run === undefined ? yield* part.inPieces(state) : part.run(state))) return false
    return true
  }
}

/** The value itself where it is true, as YARA leaves it: a loop may add it up. */
function or({ items }: Node<'or'>, parts: Parts): RunInPieces {
  const all = items.map(parts)
  return function* (state) {
    for (const part of all) {
      const value = part.run === undefined ? yield* part.inPieces(state) : part.run(state)
      if (isTrue(value)) return value
    }
    return false
  }
}

function matches(node: Node<'matches'>, parts: Parts): RunInPieces {
  const text = parts(node.text)
  const search = new RegexSearch(node.regex)
  return function* (state) {
    const value = text.run === undefined ? yield* text.inPieces(state) : text.run(state)
    return value === undefined ? undefined : yield* search.matches(value as Uint8Array, state)
  }
}

function withVariables(node: Node<'with'>, parts: Parts): RunInPieces {
  const variables = node.variables.map(({ slot, value }) => ({ slot, part: parts(value) }))
  const body = parts(node.body)
  return function* (state) {
    for (const { slot, part } of variables)
      state.frame[slot] = part.run === undefined ? yield* part.inPieces(state) : part.run(state)
    return body.run === undefined ? yield* body.inPieces(state) : body.run(state)
  }
}

function call(node: Node<'call'>, parts: Parts): RunInPieces {
  const run = findFunction(node.name, node.signature)?.run
  const values = node.arguments.map(parts)
  return function* (state) {
    const given: Value[] = []
    for (const value of values) {
      const one = value.run === undefined ? yield* value.inPieces(state) : value.run(state)
      if (one === undefined) return undefined
      given.push(one)
    }
    const result = run?.(given, state)
    return isInPieces(result) ? yield* result : result
  }
}
