/** `of`, `for ... of` and `for ... in`, with YARA 4.2's counting: docs/DECISIONS.md tells what is odd about it. */
import type { Expression, Iterable, Quantifier, Range, Where } from '../ast.js'
import type { Value } from '../modules/module.js'
import type { Compile } from './compile.js'
import { countIn, isAt } from './matches.js'
import { atOnce, computed, type Part, type Parts } from './parts.js'
import { countOf, type EvaluationState, isTrue, type Run, type RunInPieces } from './state.js'

type Node<Kind extends Expression['kind']> = Expression & { readonly kind: Kind }

/** How many are wanted: a number, all (what an undefined number means too), or a share of them. */
type Wanted = number | 'all' | { readonly percent: number } | undefined

function quantifier(compile: Compile, syntax: Quantifier): (state: EvaluationState) => Wanted {
  switch (syntax.kind) {
    case 'all':
      return () => 'all'
    case 'any':
      return () => 1
    case 'none':
      return () => 0
    case 'count': {
      const value = compile(syntax.value)
      return state => {
        const count = value(state)
        return count === undefined ? 'all' : Number(count)
      }
    }
    case 'percent': {
      const value = compile(syntax.value)
      return state => {
        const percent = value(state)
        return percent === undefined ? undefined : { percent: Number(percent) }
      }
    }
  }
}

function isEnough(
  wanted: Exclude<Wanted, undefined>,
  found: number,
  count: number,
  zeroIsNone: boolean,
): Value {
  if (wanted === 'all') return found >= count
  if (typeof wanted === 'object') return count === 0 ? undefined : (found / count) * 100 >= wanted.percent
  return wanted === 0 && zeroIsNone ? found === 0 : found >= wanted
}

/** `2 of ($a, $b) in (0..100)` and the like. */
export function of(compile: Compile, node: Node<'of'>, ids: readonly number[]): Run {
  const wanted = quantifier(compile, node.quantifier)
  const found = counter(compile, node, ids)
  const { items } = node
  const count =
    items.kind === 'strings'
      ? items.strings.length
      : items.kind === 'rules'
        ? items.rules.length
        : items.items.length
  return state => {
    const enough = wanted(state)
    const number = found(state)
    return enough === undefined || number === undefined ? undefined : isEnough(enough, number, count, true)
  }
}

function counter(
  compile: Compile,
  { items, where }: Node<'of'>,
  ids: readonly number[],
): (state: EvaluationState) => number | undefined {
  switch (items.kind) {
    case 'strings':
      return stringCounter(
        compile,
        where,
        items.strings.map(index => ids[index] ?? -1),
      )
    case 'rules':
      return state => items.rules.reduce((sum, rule) => sum + (state.holds[rule] ?? 0), 0)
    case 'conditions': {
      const runs = items.items.map(compile)
      return state => runs.reduce((sum, run) => sum + (isTrue(run(state)) ? 1 : 0), 0)
    }
  }
}

function stringCounter(
  compile: Compile,
  where: Where,
  ids: readonly number[],
): (state: EvaluationState) => number | undefined {
  switch (where.kind) {
    case 'anywhere':
      return state => ids.reduce((sum, id) => sum + (state.matches(id).count > 0 ? 1 : 0), 0)
    case 'at': {
      const offset = compile(where.offset)
      return state => {
        const value = offset(state)
        if (value === undefined) return undefined
        return ids.reduce((sum, id) => sum + (isAt(state.matches(id), value as bigint) ? 1 : 0), 0)
      }
    }
    case 'in': {
      const bounds = range(compile, where.range)
      return state => {
        const found = bounds(state)
        if (found === undefined) return undefined
        const [from, to] = found
        return ids.reduce((sum, id) => sum + (countIn(state.matches(id), from, to) > 0 ? 1 : 0), 0)
      }
    }
  }
}

/** Both bounds, or undefined where one is. */
export function range(
  compile: Compile,
  syntax: Range,
): (state: EvaluationState) => readonly [bigint, bigint] | undefined {
  const from = compile(syntax.from)
  const to = compile(syntax.to)
  return state => {
    const low = from(state)
    const high = to(state)
    return low === undefined || high === undefined ? undefined : [low as bigint, high as bigint]
  }
}

/** `for any of ($a*) : ( ... )`: all strings are gone through; `none` and 0 are always enough. */
export function forOf(parts: Parts, node: Node<'for-of'>, ids: readonly number[]): RunInPieces {
  const wanted = quantifier(below => atOnce(parts(below)), node.quantifier)
  const strings = node.strings.map(index => ids[index] ?? -1)
  const body = parts(node.body)
  return function* (state) {
    const enough = wanted(state)
    const outer = state.loop
    let found = 0
    for (const id of strings) {
      state.spend(1)
      if (state.isLate()) yield
      state.loop = id
      found += countOf(body.run === undefined ? yield* body.inPieces(state) : body.run(state))
    }
    state.loop = outer
    return enough === undefined ? undefined : isEnough(enough, found, strings.length, false)
  }
}

/** `for all i in (1..#a) : ( ... )`: ends as soon as enough are found; false where there is nothing to go through. */
export function forIn(parts: Parts, node: Node<'for-in'>): RunInPieces {
  const compile: Compile = below => atOnce(parts(below))
  const wanted = quantifier(compile, node.quantifier)
  const body = parts(node.body)
  const { slot, iterable } = node
  if (iterable.kind === 'range' && !mentions(node.body, slot))
    return forSame(compile, wanted, iterable.range, body)
  const items = itemsOf(compile, iterable)
  return function* (state) {
    const enough = wanted(state)
    if (enough === undefined) return undefined
    const limit = typeof enough === 'number' ? enough : Number.POSITIVE_INFINITY
    let found = 0
    let count = 0
    for (const item of items(state)) {
      state.spend(1)
      if (state.isLate()) yield
      state.frame[slot] = item
      found += countOf(body.run === undefined ? yield* body.inPieces(state) : body.run(state))
      count++
      if (found >= limit) break
    }
    return count === 0 ? false : isEnough(enough, found, count, false)
  }
}

/** A loop whose body does not look at its variable is computed once, however often YARA goes round. */
function forSame(
  compile: Compile,
  wanted: (state: EvaluationState) => Wanted,
  syntax: Range,
  body: Part,
): RunInPieces {
  const bounds = range(compile, syntax)
  return function* (state) {
    const enough = wanted(state)
    if (enough === undefined) return undefined
    const found = bounds(state)
    if (found === undefined || found[1] < found[0]) return false
    const rounds = Number(found[1] - found[0]) + 1
    const each = countOf(yield* computed(body, state))
    return isEnough(enough, each * roundsTaken(enough, each, rounds), rounds, false)
  }
}

/** How often the loop is gone round until enough are found. */
function roundsTaken(wanted: Exclude<Wanted, undefined>, each: number, rounds: number): number {
  if (typeof wanted !== 'number') return rounds
  if (each >= wanted) return 1
  return each > 0 ? Math.min(rounds, Math.ceil(wanted / each)) : rounds
}

/** Whether an expression looks at a variable. */
function mentions(tree: unknown, slot: number): boolean {
  if (typeof tree !== 'object' || tree === null) return false
  if ('kind' in tree && tree.kind === 'variable' && 'slot' in tree && tree.slot === slot) return true
  return Object.values(tree).some(child => mentions(child, slot))
}

function itemsOf(
  compile: Compile,
  iterable: Iterable,
): (state: EvaluationState) => globalThis.Iterable<Value> {
  if (iterable.kind === 'list') {
    const runs = iterable.items.map(compile)
    return state => runs.map(run => run(state))
  }
  const bounds = range(compile, iterable.range)
  return function* (state) {
    const found = bounds(state)
    if (found === undefined) return
    for (let value = found[0]; value <= found[1]; value++) yield value
  }
}
