/**
 * Code for the fiber machine: what libyara's own compiler emits (re.c, `_yr_re_emit`), instruction by instruction, so that fibers
 * split, loop and die as they do there. Addresses are indices of instructions.
 */
import { VmsiftError } from '../../core/errors.js'
import type { ByteSet } from '../../patterns/node.js'
import type { TreeAssertion, TreeNode } from './tree.js'

export const SET = 0
export const MATCH = 1
export const JUMP = 2
/** The first way goes on, the second one to `target`; a lazy one is tried the other way round. */
export const SPLIT = 3
export const REPEAT_START = 4
export const REPEAT_END = 5
export const REPEAT_ANY = 6
export const ASSERT = 7

/** libyara's own bound on splits of one expression. */
const MAX_SPLITS = 128
/** Instructions of one string. */
const MAX_CODE = 1 << 20

export interface Instruction {
  readonly op: number
  /** Index in `sets`, or of a split. */
  readonly index: number
  target: number
  readonly min: number
  readonly max: number
  readonly greedy: boolean
  readonly assertion?: TreeAssertion
}

export interface Code {
  readonly instructions: readonly Instruction[]
  readonly sets: readonly ByteSet[]
  /** It looks at what lies around a match. */
  readonly looksAround: boolean
}

/** Emits both directions; sets each node's `forward` and `backward`. */
export function emitCode(root: TreeNode): { readonly forward: Code; readonly backward: Code } {
  return { forward: new Emitter(false).emit(root), backward: new Emitter(true).emit(root) }
}

class Emitter {
  readonly #backward: boolean
  readonly #code: Instruction[] = []
  readonly #sets: ByteSet[] = []
  readonly #setIndex = new Map<string, number>()
  #splits = 0
  #looksAround = false

  constructor(backward: boolean) {
    this.#backward = backward
  }

  emit(root: TreeNode): Code {
    this.#node(root, true, true)
    this.#add({ op: MATCH })
    return { instructions: this.#code, sets: this.#sets, looksAround: this.#looksAround }
  }

  #add(part: Partial<Instruction> & { readonly op: number }): number {
    if (this.#code.length >= MAX_CODE)
      throw new VmsiftError('bad-rule', 'a string needs too many instructions: make its counts smaller')
    return this.#code.push({ index: 0, target: 0, min: 0, max: 0, greedy: true, ...part }) - 1
  }

  #set(set: ByteSet): number {
    const key = set.join()
    let index = this.#setIndex.get(key)
    if (index === undefined) {
      index = this.#sets.push(set) - 1
      this.#setIndex.set(key, index)
    }
    return index
  }

  #split(greedy: boolean, target: number): number {
    if (this.#splits >= MAX_SPLITS)
      throw new VmsiftError('bad-rule', `a regular expression has more than ${MAX_SPLITS} choices`)
    return this.#add({ op: SPLIT, index: this.#splits++, greedy, target })
  }

  #aim(at: number, target: number): void {
    ;(this.#code[at] as Instruction).target = target
  }

  /**
   * Emits a node; `setForward` and `setBackward`: its addresses are these. Returns what libyara takes for its first instruction: of an
   * optional node it is the one behind the choice, so what begins with one can't do without it where matching begins there.
   */
  #node(node: TreeNode, setForward: boolean, setBackward: boolean): number {
    const first = this.#emit(node, setForward, setBackward)
    if (this.#backward) {
      if (setBackward) node.backward = this.#code.length
    } else if (setForward) node.forward = first
    return first
  }

  #emit(node: TreeNode, setForward: boolean, setBackward: boolean): number {
    switch (node.kind) {
      case 'byte':
      case 'class':
        return this.#add({ op: SET, index: this.#set(node.set) })
      case 'jump': {
        const { min, max, greedy } = node
        return this.#add({ op: REPEAT_ANY, index: this.#set(node.set), min, max, greedy })
      }
      case 'assert':
        this.#looksAround = true
        return this.#add({ op: ASSERT, assertion: node.assertion })
      case 'empty':
        return this.#code.length
      case 'concat': {
        const items = this.#backward ? node.items.toReversed() : node.items
        return items.map(item => this.#node(item, setForward, setBackward))[0] ?? this.#code.length
      }
      case 'plus': {
        const first = this.#node(node.item, setForward, setBackward)
        // the loop is the way to `target`: a greedy one is tried first
        this.#split(!node.greedy, first)
        return first
      }
      case 'star': {
        const split = this.#split(node.greedy, 0)
        this.#node(node.item, setForward, setBackward)
        this.#add({ op: JUMP, target: split })
        this.#aim(split, this.#code.length)
        return split
      }
      case 'either': {
        const split = this.#split(true, 0)
        this.#node(node.left, setForward, setBackward)
        const jump = this.#add({ op: JUMP })
        this.#aim(split, this.#code.length)
        this.#node(node.right, setForward, setBackward)
        this.#aim(jump, this.#code.length)
        return split
      }
      case 'range':
        return this.#range(node, setForward, setBackward)
    }
  }

  /** A first copy, a counted loop, and a last copy: atoms never point into the loop. */
  #range(
    { item, min, max, greedy }: Extract<TreeNode, { kind: 'range' }>,
    setForward: boolean,
    setBackward: boolean,
  ): number {
    const prolog = min > 0
    const repeat = max > min + 1 || max > 2
    const split = max > min
    const epilog = max > min || max > 1
    let first = this.#code.length
    if (prolog) first = this.#node(item, setForward, setBackward)
    if (repeat) {
      const most = max - (prolog ? 2 : 1)
      const least = min - (prolog ? 1 : 0) - (split ? 0 : 1)
      const start = this.#add({ op: REPEAT_START, min: least, max: most, greedy })
      if (!prolog) first = start
      this.#node(item, false, false)
      const end = this.#add({ op: REPEAT_END, min: least, max: most, greedy, target: start + 1 })
      this.#aim(start, end + 1)
    }
    const choice = split ? this.#split(greedy, 0) : -1
    if (epilog) {
      const last = this.#node(item, setForward && !prolog, setBackward)
      if (!prolog && !repeat) first = last
    }
    if (split) this.#aim(choice, this.#code.length)
    return first
  }
}
