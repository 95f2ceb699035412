/**
 * What Vectorscan is asked for on a pattern's behalf: short rows of bytes that every match contains. The library's literal
 * matchers find all of these; its automata for general expressions lose matches (docs/DECISIONS.md), so they get no work.
 * A row may hold sets (`48 8b ?? 05`), which the library checks around two literal bytes side by side.
 */
import { isLetter, setMembers } from './byte-set.js'
import { lengthsOf } from './measure.js'
import type { PatternNode } from './node.js'
import { concatOf, dropAssertions } from './trim.js'

/** A row of bytes, and where it lies in the match. */
export interface Anchor {
  /** Of fixed length. */
  readonly node: PatternNode
  /** What leads from the match's start to the row's end. */
  readonly head: PatternNode
  /** `node` is the whole pattern, or the whole of one of its alternatives. */
  readonly whole: boolean
}

/** Longest row of literal bytes. */
const MAX_LITERAL_BYTES = 256
/** Longest row with sets in it. */
const MAX_MIXED_BYTES = 16
/** Bytes on either side of a pair that are looked at with it. */
const MAX_CHECKED_BYTES = 6
/** A literal byte beside a set of so many members is looked for as so many pairs. */
const MAX_PAIRS = 64
/** More anchors than this are no help. */
const MAX_ANCHORS = 64
/** Weaker rows hit so often that the embedded matcher is faster. */
const MIN_BITS = 11
/** More says nothing: it is rare enough. */
const MAX_BITS = 48
/** What a start at a known distance is worth: no automaton has to look for it. */
const FIXED_HEAD_BITS = 4
/** Steps of a pattern that are looked at. */
const MAX_STEPS = 4096

/** A piece of a pattern: one byte of known `members`, or whatever else. */
interface Step {
  readonly node: PatternNode
  readonly members?: readonly number[]
  /** What is no byte: the byte before whatever follows is of this set all the same (`\w+@`: a letter stands before the @). */
  readonly last?: ByteStep
}
interface ByteStep extends Step {
  readonly members: readonly number[]
}

/** Anchors that could be taken; made when they are. */
interface Choice {
  readonly count: number
  /** How rare the most frequent one is. */
  readonly bits: number
  /** All lie at a known distance from the start. */
  readonly fixed: boolean
  readonly whole: boolean
  build(): Anchor[]
}

/** Rows of bytes of which every match holds at least one; undefined when there are none that are worth it. */
export function anchorsOf(pattern: PatternNode): readonly Anchor[] | undefined {
  const choice = choose(dropAssertions(pattern))
  return choice !== undefined && (choice.whole || choice.bits >= MIN_BITS) ? choice.build() : undefined
}

function choose(pattern: PatternNode): Choice | undefined {
  const steps: Step[] = []
  addSteps(pattern, steps)
  let best: Choice | undefined
  for (const choice of choicesOf(steps)) if (best === undefined || worth(choice) > worth(best)) best = choice
  return best
}

function worth({ bits, fixed, whole }: Choice): number {
  if (whole) return Number.POSITIVE_INFINITY
  return Math.min(bits, MAX_BITS) + (fixed ? FIXED_HEAD_BITS : 0)
}

function* choicesOf(steps: readonly Step[]): Generator<Choice> {
  // whether all before `at` are bytes
  let fixed = true
  for (let at = 0; at < steps.length; ) {
    let end = at
    while (end < steps.length && isByte(steps[end])) end++
    if (end > at) yield* rowChoices(steps, at, end, fixed)
    else {
      const inner = insideOf((steps[at] as Step).node)
      if (inner !== undefined) yield behind(steps.slice(0, at), inner, steps.length === 1)
      fixed = false
      end++
    }
    at = end
  }
}

/** The anchors of what is no plain row. */
function insideOf(node: PatternNode): Choice | undefined {
  if (node.kind === 'repeat') {
    const inner = node.min > 0 ? choose(node.item) : undefined
    return inner === undefined ? undefined : behind([], inner, false)
  }
  if (node.kind !== 'alternate') return undefined
  const branches: Choice[] = []
  let count = 0
  for (const item of node.items) {
    const branch = choose(item)
    if (branch === undefined) return undefined
    count += branch.count
    if (count > MAX_ANCHORS) return undefined
    branches.push(branch)
  }
  return {
    count,
    bits: Math.min(...branches.map(({ bits }) => bits)),
    fixed: branches.every(({ fixed }) => fixed),
    whole: branches.every(({ whole }) => whole),
    build: () => branches.flatMap(branch => branch.build()),
  }
}

/** `inner` with `steps` before it; `alone`: there is nothing else. */
function behind(steps: readonly Step[], inner: Choice, alone: boolean): Choice {
  return {
    ...inner,
    fixed: inner.fixed && steps.every(isByte),
    whole: inner.whole && alone,
    build: () =>
      inner.build().map(({ node, head, whole }) => ({
        node,
        head: concatOf([...steps.map(step => step.node), head]),
        whole: whole && alone,
      })),
  }
}

/** What can be looked for in the bytes `from` ≤ step < `end`; `fixed`: only bytes lie before them. */
function* rowChoices(steps: readonly Step[], from: number, end: number, fixed: boolean): Generator<Choice> {
  const row = steps.slice(from, end) as ByteStep[]
  const literal = row.length <= MAX_LITERAL_BYTES && row.every(isLiteral)
  if (literal || (row.length <= MAX_MIXED_BYTES && hasLiteralPair(row))) {
    yield segment(steps, from, row, fixed, row.length === steps.length)
    return
  }
  for (let at = 0; at + 1 < row.length; at++) {
    const window = row.slice(at, at + MAX_MIXED_BYTES)
    if (hasLiteralPair(window)) yield segment(steps, from + at, window, fixed, false)
    else {
      const choice = pairs(steps, from + at, row[at] as ByteStep, row[at + 1] as ByteStep, fixed)
      if (choice !== undefined) yield choice
    }
  }
}

function segment(
  steps: readonly Step[],
  from: number,
  row: readonly ByteStep[],
  fixed: boolean,
  whole: boolean,
): Choice {
  return {
    count: 1,
    bits: row.reduce((sum, step) => sum + bitsOf(step), 0),
    fixed,
    whole,
    build: () => [
      {
        node: concatOf(row.map(step => step.node)),
        head: concatOf(steps.slice(0, from + row.length).map(step => step.node)),
        whole,
      },
    ],
  }
}

/** A literal byte beside a set: as many pairs of literal bytes, checked together with the bytes around them. */
function pairs(
  steps: readonly Step[],
  at: number,
  first: ByteStep,
  second: ByteStep,
  fixed: boolean,
): Choice | undefined {
  const count = first.members.length * second.members.length
  if (count > MAX_PAIRS || !(isLiteral(first) || isLiteral(second))) return undefined
  const before = bytesBefore(steps, at)
  const behind = bytesBehind(steps, at + 2)
  return {
    count,
    bits: [first, second, ...before, ...behind].reduce((sum, step) => sum + bitsOf(step), 0),
    fixed,
    whole: false,
    build: () => {
      const head = concatOf(steps.slice(0, at + 2).map(step => step.node))
      return first.members.flatMap(a =>
        second.members.map((b): Anchor => ({ node: { kind: 'literal', bytes: [a, b] }, head, whole: false })),
      )
    },
  }
}

/** Up to `MAX_CHECKED_BYTES` bytes before `at`. */
function bytesBefore(steps: readonly Step[], at: number): ByteStep[] {
  const bytes: ByteStep[] = []
  for (let i = at - 1; i >= 0 && bytes.length < MAX_CHECKED_BYTES; i--) {
    const step = steps[i] as Step
    const byte = isByte(step) ? step : step.last
    if (byte !== undefined) bytes.unshift(byte)
    if (!isByte(step)) break
  }
  return bytes
}

/** Up to `MAX_CHECKED_BYTES` bytes from `at` on. */
function bytesBehind(steps: readonly Step[], at: number): ByteStep[] {
  const bytes: ByteStep[] = []
  for (let i = at; bytes.length < MAX_CHECKED_BYTES; i++) {
    const step = steps[i]
    if (!isByte(step)) break
    bytes.push(step)
  }
  return bytes
}

function addSteps(node: PatternNode, steps: Step[]): void {
  switch (node.kind) {
    case 'literal':
      for (const byte of node.bytes) steps.push({ node: { kind: 'literal', bytes: [byte] }, members: [byte] })
      return
    case 'set': {
      const members = setMembers(node.set)
      steps.push(members.length > 0 ? { node, members } : { node })
      return
    }
    case 'assert':
      return
    case 'concat':
      for (const item of node.items) addSteps(item, steps)
      return
    case 'alternate':
      steps.push({ node })
      return
    case 'repeat':
      addRepeat(node, steps)
  }
}

/** What is repeated for certain stands there as often, and the rest behind it. */
function addRepeat(node: Extract<PatternNode, { kind: 'repeat' }>, steps: Step[]): void {
  const { item, min, max } = node
  let copies = 0
  if (isFixed(item) && lengthsOf(item).max > 0)
    while (copies < min && steps.length < MAX_STEPS) {
      addSteps(item, steps)
      copies++
    }
  if (copies === min && max === min) return
  const rest = max === undefined ? {} : { max: max - copies }
  const before = steps.at(-1)
  const last = min > 0 && lengthsOf(item).max === 1 && isByte(before) ? { last: before } : {}
  steps.push({ node: { kind: 'repeat', item, min: min - copies, ...rest }, ...last })
}

function isByte(step: Step | undefined): step is ByteStep {
  return step?.members !== undefined
}

function isFixed(node: PatternNode): boolean {
  const { min, max } = lengthsOf(node)
  return min === max
}

/** One byte, or a letter in both cases: the library's literal matchers take them. */
function isLiteral({ members }: ByteStep): boolean {
  const [a = 0, b = 0] = members
  return members.length === 1 || (members.length === 2 && b - a === 0x20 && isLetter(a) && isLetter(b))
}

function hasLiteralPair(row: readonly ByteStep[]): boolean {
  return row.some((step, i) => i > 0 && isLiteral(step) && isLiteral(row[i - 1] as ByteStep))
}

/** How much a byte says: what stands everywhere in memory says little. */
function bitsOf({ members }: ByteStep): number {
  return -Math.log2(shareOfAll(members))
}

/** How often one of these bytes stands in memory, roughly. */
export function shareOfAll(members: readonly number[]): number {
  let share = 0
  for (const byte of members) share += shareOf(byte)
  return Math.min(1, share)
}

/** How often a byte stands in memory, roughly: half of it is zeros. */
function shareOf(byte: number): number {
  if (byte === 0) return 1 / 2
  if (byte === 0xff) return 1 / 16
  if (byte === 0x20) return 1 / 64
  return 1 / 384
}
