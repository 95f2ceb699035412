/** Runs a part's code at an atom: what libyara's `_yr_scan_verify_re_match` tells, match by match. */
import { type Atom, atomsOf, MAX_ATOM_BYTES } from './atoms.js'
import { emitCode } from './code.js'
import { FiberMachine, type Haystack, MAX_WORK } from './fibers.js'
import type { Part } from './parts.js'
import { RowMachine, type RowStep } from './shortest.js'
import type { TreeNode } from './tree.js'

interface Machine {
  readonly work: number
  run(hay: Haystack, at: number, size: number, arrived: (length: number) => void): number
}

/** `order`: matches of one string at one place are ranked by it. */
export type Found = (start: number, length: number, order: number) => void

/** Most atoms that are told apart where several end at one place. */
const MAX_RANKED = 1 << 16
/** How much an order grows from one byte to the next. */
export const ORDER_PER_BYTE = (MAX_ATOM_BYTES + 1) * MAX_RANKED

/** Bytes that may be gone to verify a part: some twenty seconds in one thread, and as many more for each byte that is searched. */
const MAX_WENT = 2 ** 31
const WENT_A_BYTE = 256

/** The code of one part. */
export class Verifier {
  readonly atoms: readonly Atom[]
  readonly #part: Extract<Part, { kind: 'code' }>
  readonly #forward: Machine[] = []
  readonly #backward: Machine[] = []
  #went = 0

  constructor(part: Extract<Part, { kind: 'code' }>) {
    this.#part = part
    this.atoms = atomsOf(part.root)
    if (part.shortest) this.#buildRows(part.root)
    else this.#buildCode(part.root)
  }

  #buildCode(root: TreeNode): void {
    const { forward, backward } = emitCode(root)
    const entries =
      this.atoms.length === 0 ? [root.forward] : this.atoms.map(({ nodes }) => nodes[0]?.forward ?? 0)
    for (const entry of entries) this.#forward.push(new FiberMachine(forward, entry, false))
    for (const { nodes } of this.atoms)
      this.#backward.push(new FiberMachine(backward, nodes[0]?.backward ?? 0, true))
  }

  #buildRows(root: TreeNode): void {
    const flat: TreeNode[] = []
    flatten(root, flat)
    const steps = flat.map(stepOf)
    if (this.atoms.length === 0) this.#forward.push(rowMachine(steps, false))
    for (const { nodes } of this.atoms) {
      const at = flat.indexOf(nodes[0] as TreeNode)
      this.#forward.push(rowMachine(steps.slice(at), false))
      this.#backward.push(rowMachine(steps.slice(0, at).toReversed(), true))
    }
  }

  /** Whether it takes too long, as an expression can that is made for it. `searched`: bytes of memory; `most` is for tests to lower. */
  isExhausted(searched: number, most = MAX_WENT): boolean {
    if (this.#went > most + searched * WENT_A_BYTE) return true
    for (const { work } of this.#forward) if (work > MAX_WORK) return true
    for (const { work } of this.#backward) if (work > MAX_WORK) return true
    return false
  }

  /** Verifies `atom` at `at`. Without atoms, `atom` is 0 and `at` the start. */
  verify(hay: Haystack, atom: number, at: number, found: Found): void {
    const { ascii, wide, fullword } = this.#part
    let forward = ascii ? this.#lengthFrom(hay, atom, at, 1) : -1
    let size = 1
    if (forward < 0 && wide) {
      size = 2
      forward = this.#lengthFrom(hay, atom, at, 2)
    }
    if (forward < 0) return
    const bytes = this.atoms[atom]?.nodes.length ?? 0
    const order = orderOf(at, Math.min(MAX_ATOM_BYTES, bytes * size), atom)
    const tell = (back: number): void => {
      const start = at - back
      const length = back + forward
      if (!fullword || standsAlone(hay, start, length, size === 2)) found(start, length, order)
    }
    const backward = this.#backward[atom]
    if (backward !== undefined) this.#went += backward.run(hay, at, size, tell)
    else if (forward > 0) tell(0)
  }

  #lengthFrom(hay: Haystack, atom: number, at: number, size: number): number {
    let length = -1
    const machine = this.#forward[atom]
    if (machine !== undefined)
      this.#went += machine.run(hay, at, size, found => {
        length = found
      })
    return length
  }
}

/** When libyara comes to an atom: where it ends; of those that end together the longest first, and of equal ones the last of the list. */
function orderOf(at: number, length: number, atom: number): number {
  const rank = MAX_RANKED - 1 - Math.min(atom, MAX_RANKED - 1)
  return (at + length) * ORDER_PER_BYTE + (MAX_ATOM_BYTES - length) * MAX_RANKED + rank
}

/** Whether no letter or digit stands on either side: in `wide` text, none that is a wide character. */
export function standsAlone(
  { bytes, low, high }: Haystack,
  start: number,
  length: number,
  wide: boolean,
): boolean {
  const end = start + length
  if (wide) {
    if (start - 2 >= low && bytes[start - 1] === 0 && isAlphanumeric(bytes[start - 2] as number)) return false
    return !(end + 1 < high && bytes[end + 1] === 0 && isAlphanumeric(bytes[end] as number))
  }
  if (start - 1 >= low && isAlphanumeric(bytes[start - 1] as number)) return false
  return !(end < high && isAlphanumeric(bytes[end] as number))
}

function isAlphanumeric(byte: number): boolean {
  const letter = byte | 0x20
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
}

function rowMachine(steps: readonly RowStep[], backward: boolean): Machine {
  const machine = new RowMachine(steps, backward)
  return { work: 0, run: (hay, at, _size, arrived) => machine.run(hay, at, arrived) }
}

function flatten(node: TreeNode, into: TreeNode[]): void {
  if (node.kind === 'concat') for (const item of node.items) flatten(item, into)
  else into.push(node)
}

function stepOf(node: TreeNode): RowStep {
  if (node.kind === 'byte' || node.kind === 'class') return { set: node.set }
  if (node.kind === 'jump') return { min: node.min, max: node.max }
  throw new Error(`a hex string holds ${node.kind}`)
}
