/**
 * Which bytes of a part Vectorscan looks for: a short row that every match holds at a known place, as rare as can be had. It takes rows of
 * literal bytes, or of literals and sets with two literals side by side (docs/DECISIONS.md); what has neither is looked for as pairs.
 */
import { anchorsOf, shareOfAll } from '../../patterns/anchors.js'
import { isLetter, setMembers } from '../../patterns/byte-set.js'
import { lengthsOf } from '../../patterns/measure.js'
import type { ByteSet, PatternNode } from '../../patterns/node.js'
import { concatOf } from '../../patterns/trim.js'
import { foldedWord, WORD_BYTES, type WordCounts } from './word-counts.js'

/** What is looked for. */
export interface Row {
  readonly node: PatternNode
  /** From the first of the bytes that were given to the row's end. */
  readonly distance: number
  /** It is all of the bytes that were given. */
  readonly whole: boolean
}

/** Longer rows are no rarer, and slower. */
const LITERAL_BYTES = 8
const MIXED_BYTES = 12
/** A literal row as rare as this is taken, even where a mixed one is rarer. */
const ENOUGH_BITS = 20

interface Cell {
  readonly set: ByteSet
  readonly node: PatternNode
  readonly literal: boolean
  readonly bits: number
}

/**
 * The rows by which these bytes are found; undefined where Vectorscan can't look for them. `counts`: of samples of what will be searched, if
 * there are some.
 */
export function rowsOf(sets: readonly ByteSet[], counts?: WordCounts): readonly Row[] | undefined {
  const cells = sets.map(cellOf)
  const likely = bestWindow(cells, LITERAL_BYTES, cell => cell.literal, 1)
  const literal = likely && { ...likely, bits: Math.min(likely.bits, seenBits(cells, likely, counts)) }
  if (literal !== undefined && (literal.bits >= ENOUGH_BITS || literal.to - literal.from === cells.length))
    return [rowOf(cells, literal)]
  const mixed = bestWindow(cells, MIXED_BYTES, () => true, 2)
  if (mixed !== undefined && (literal === undefined || mixed.bits > literal.bits))
    return [rowOf(cells, mixed)]
  if (literal !== undefined && literal.to - literal.from > 1) return [rowOf(cells, literal)]
  const anchors = anchorsOf(nodeOf(cells))
  return anchors?.map(({ node, head }) => ({
    node,
    distance: lengthsOf(head).max,
    whole: false,
  }))
}

/** A letter in both cases. */
export function isCaseless(set: ByteSet): boolean {
  const [a = 0, b = 0, ...more] = setMembers(set)
  return more.length === 0 && b - a === 0x20 && isLetter(a) && isLetter(b)
}

const CELLS = new WeakMap<ByteSet, Cell>()

function cellOf(set: ByteSet): Cell {
  let cell = CELLS.get(set)
  if (cell === undefined) {
    cell = newCell(set)
    CELLS.set(set, cell)
  }
  return cell
}

function newCell(set: ByteSet): Cell {
  const members = setMembers(set)
  const literal = members.length === 1 || isCaseless(set)
  const node: PatternNode = members.length === 1 ? { kind: 'literal', bytes: members } : { kind: 'set', set }
  return { set, node, literal, bits: -Math.log2(shareOfAll(members)) }
}

/**
 * How rare a literal row was in samples, by its rarest word and what the bytes beside that are worth; infinitely rare where it is too short to
 * be told.
 */
function seenBits(
  cells: readonly Cell[],
  { from, to, bits }: Window,
  counts: WordCounts | undefined,
): number {
  if (counts === undefined || to - from < WORD_BYTES) return Number.POSITIVE_INFINITY
  let most = 0
  for (let at = from; at + WORD_BYTES <= to; at++) {
    const word = cells.slice(at, at + WORD_BYTES)
    const bytes = word.map(({ set }) => setMembers(set)[0] ?? 0)
    const beside = bits - word.reduce((sum, cell) => sum + cell.bits, 0)
    most = Math.max(most, beside - Math.log2(counts.of(foldedWord(bytes, 0)) / counts.total))
  }
  return most
}

interface Window {
  readonly from: number
  readonly to: number
  readonly bits: number
}

/** The rarest stretch of at most `most` cells that `fits` all, with `together` literal ones side by side. */
function bestWindow(
  cells: readonly Cell[],
  most: number,
  fits: (cell: Cell) => boolean,
  together: number,
): Window | undefined {
  let best: Window | undefined
  for (let from = 0; from < cells.length; from++) {
    if (from > 0 && from + most > cells.length && fits(cells[from - 1] as Cell)) continue
    let bits = 0
    let run = 0
    let paired = false
    for (let to = from; to < Math.min(cells.length, from + most); to++) {
      const cell = cells[to] as Cell
      if (!fits(cell)) break
      bits += cell.bits
      run = cell.literal ? run + 1 : 0
      paired ||= run >= together
      if (paired && (best === undefined || bits > best.bits)) best = { from, to: to + 1, bits }
    }
  }
  return best
}

function rowOf(cells: readonly Cell[], { from, to }: Window): Row {
  // sets at the ends that say nothing only cost
  let first = from
  let last = to
  while (first < last && (cells[first] as Cell).bits < 0.5) first++
  while (last > first && (cells[last - 1] as Cell).bits < 0.5) last--
  return {
    node: nodeOf(cells.slice(first, last)),
    distance: last,
    whole: first === 0 && last === cells.length,
  }
}

function nodeOf(cells: readonly Cell[]): PatternNode {
  return concatOf(cells.map(({ node }) => node))
}
