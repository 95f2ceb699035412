/**
 * The positions that libyara's fast matcher (`yr_re_fast_exec`) keeps where a hex string has several jumps. Its list is meant to ascend
 * and to hold each position once; backwards it does not, and a position that is still to be moved stands in the way of a new one. So some
 * ways are lost, and which length is the first depends on the order: this list is kept as that one is.
 */

const NONE = -1
/** Backwards a list can grow without end (in libyara until memory is gone): what needs more than so many, or more steps, is not followed. */
const MAX_POSITIONS = 1 << 13
const MAX_STEPS = 1 << 15
/** Steps along the list that take as long as a byte of an automaton. */
const STEPS_A_BYTE = 2

/** A run over `bytes`: the byte at `at` comes first, the others behind it or before it; no more than `most`. */
export interface Run {
  readonly bytes: Uint8Array
  readonly at: number
  readonly most: number
  readonly backward: boolean
}

/** A list for one run after the other. */
export class PositionList {
  #count = 0
  #first = NONE
  #round = 0
  #steps = 0
  /** By position: bytes gone so far, and the round that moved it last. */
  readonly #length = new Int32Array(MAX_POSITIONS)
  readonly #moved = new Int32Array(MAX_POSITIONS)
  readonly #next = new Int32Array(MAX_POSITIONS)
  readonly #prev = new Int32Array(MAX_POSITIONS)

  /** What the run took so far, as bytes that an automaton goes. */
  get went(): number {
    return Math.ceil(this.#steps / STEPS_A_BYTE)
  }

  /** Begins with one position, so many bytes along. */
  begin(length: number): void {
    this.#count = 1
    this.#first = 0
    this.#round = 0
    this.#steps = 0
    this.#length[0] = length
    this.#moved[0] = 0
    this.#next[0] = NONE
    this.#prev[0] = NONE
  }

  /** Moves every position whose byte is a `member`, and drops the others; false when none is left. */
  step({ bytes, at, most, backward }: Run, member: Uint8Array): boolean {
    const sign = backward ? -1 : 1
    const round = ++this.#round
    for (let each = this.#first; each !== NONE; each = this.#next[each] as number) {
      const length = this.#length[each] as number
      this.#steps++
      this.#moved[each] = round
      if (length < most && member[bytes[at + sign * length] as number] === 1) this.#length[each] = length + 1
      else this.#drop(each)
    }
    return this.#first !== NONE
  }

  /**
   * Each position jumps. `literal`: the byte that must come next, -1 when others may; where it does not stand none is made. False when none
   * is left, undefined when it is too much.
   */
  jump({ bytes, at, most, backward }: Run, min: number, max: number, literal: number): boolean | undefined {
    const sign = backward ? -1 : 1
    const lengths = this.#length
    const nexts = this.#next
    const round = ++this.#round
    for (let each = this.#first; each !== NONE; each = nexts[each] as number) {
      if (this.#moved[each] === round) continue
      const length = lengths[each] as number
      if (length >= most) {
        this.#drop(each)
        continue
      }
      const last = Math.min(length + max, most - 1)
      let steps = 0
      let behind = each
      let next = nexts[behind] as number
      for (let to = length + min + 1; to <= last; to++) {
        steps++
        // libyara compares addresses, which descend when it goes backwards
        while (
          next !== NONE &&
          (backward ? to <= (lengths[next] as number) : to >= (lengths[next] as number))
        ) {
          steps++
          behind = next
          next = nexts[behind] as number
        }
        if (lengths[behind] === to || (literal >= 0 && bytes[at + sign * to] !== literal)) continue
        if (this.#count === MAX_POSITIONS) return undefined
        next = this.#insert(behind, next, to, round)
      }
      this.#steps += steps
      if (this.#steps > MAX_STEPS) return undefined
      lengths[each] = length + min
      this.#moved[each] = round
    }
    return this.#first !== NONE
  }

  /** In the order of the list. */
  told(): number[] {
    const lengths: number[] = []
    for (let each = this.#first; each !== NONE; each = this.#next[each] as number)
      lengths.push(this.#length[each] as number)
    return lengths
  }

  #insert(behind: number, next: number, length: number, round: number): number {
    const each = this.#count++
    this.#length[each] = length
    this.#moved[each] = round
    this.#prev[each] = behind
    this.#next[each] = next
    this.#next[behind] = each
    if (next !== NONE) this.#prev[next] = each
    return each
  }

  /** Its own `next` stays: the walk goes on from there. */
  #drop(each: number): void {
    const next = this.#next[each] as number
    const prev = this.#prev[each] as number
    if (prev === NONE) this.#first = next
    else this.#next[prev] = next
    if (next !== NONE) this.#prev[next] = prev
  }
}
