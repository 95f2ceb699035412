/** Runs a part's code at an atom: what libyara's `_yr_scan_verify_re_match` tells, match by match. */
import { type Atom, atomsOf, MAX_ATOM_BYTES } from './atoms.js'
import { emitCode } from './code.js'
import {
  type Arrived,
  FiberMachine,
  type Haystack,
  type KeptStates,
  MAX_WORK,
  type Machine,
} from './fibers.js'
import type { Part } from './parts.js'
import { RowMachine, type RowStep } from './shortest.js'
import type { TreeNode } from './tree.js'

/** `order`: matches of one string at one place are ranked by it. */
export type Found = (start: number, length: number, order: number) => void

/** Most atoms that are told apart where several end at one place. */
const MAX_RANKED = 1 << 16
/** How much an order grows from one byte to the next. */
export const ORDER_PER_BYTE = (MAX_ATOM_BYTES + 1) * MAX_RANKED

/** Bytes that may be gone to verify a part: some twenty seconds in one thread, and as many more for each byte that is searched. */
const MAX_WENT = 2 ** 31
const WENT_A_BYTE = 256

const NOTHING: Haystack = { bytes: new Uint8Array(0), low: 0, high: 0 }

/** The code of one part. */
export class Verifier {
  readonly atoms: readonly Atom[]
  readonly #part: Extract<Part, { kind: 'code' }>
  readonly #forward: Machine[] = []
  readonly #backward: Machine[] = []
  #went = 0
  #tooMuchWork = false
  /** Of the atom that is being verified. */
  #hay: Haystack = NOTHING
  #at = 0
  #size = 1
  #forwardLength = 0
  #order = 0
  #found: Found = () => undefined

  /** `kept`: shared by all verifiers of a thread. */
  constructor(part: Extract<Part, { kind: 'code' }>, kept: KeptStates) {
    this.#part = part
    this.atoms = atomsOf(part.root)
    if (part.shortest) this.#buildRows(part.root)
    else this.#buildCode(part.root, kept)
  }

  #buildCode(root: TreeNode, kept: KeptStates): void {
    const { forward, backward } = emitCode(root)
    const entries =
      this.atoms.length === 0 ? [root.forward] : this.atoms.map(({ nodes }) => nodes[0]?.forward ?? 0)
    for (const entry of entries) this.#forward.push(new FiberMachine(forward, entry, false, kept))
    for (const { nodes } of this.atoms)
      this.#backward.push(new FiberMachine(backward, nodes[0]?.backward ?? 0, true, kept))
  }

  #buildRows(root: TreeNode): void {
    const flat: TreeNode[] = []
    flatten(root, flat)
    const steps = flat.map(stepOf)
    if (this.atoms.length === 0) this.#forward.push(new RowMachine(steps, false))
    for (const { nodes } of this.atoms) {
      const at = flat.indexOf(nodes[0] as TreeNode)
      this.#forward.push(new RowMachine(steps.slice(at), false))
      this.#backward.push(new RowMachine(steps.slice(0, at).toReversed(), true))
    }
  }

  /** Whether it takes too long, as an expression can that is made for it. `searched`: bytes of memory; `most` is for tests to lower. */
  isExhausted(searched: number, most = MAX_WENT): boolean {
    return this.#tooMuchWork || this.#went > most + searched * WENT_A_BYTE
  }

  /** Verifies `atom` at `at`. Without atoms, `atom` is 0 and `at` the start. */
  verify(hay: Haystack, atom: number, at: number, found: Found): void {
    const { ascii, wide } = this.#part
    const machine = this.#forward[atom]
    if (machine === undefined) return
    let size = 1
    let forward = ascii ? this.#run(machine, hay, at, 1) : -1
    if (forward < 0 && wide) {
      size = 2
      forward = this.#run(machine, hay, at, 2)
    }
    if (forward < 0) return
    const bytes = this.atoms[atom]?.nodes.length ?? 0
    this.#hay = hay
    this.#at = at
    this.#size = size
    this.#forwardLength = forward
    this.#order = orderOf(
      at,
      Math.min(MAX_ATOM_BYTES, bytes * size),
      atom,
      size === 2,
      this.#isOtherCase(hay, atom, at, size),
    )
    this.#found = found
    const backward = this.#backward[atom]
    if (backward !== undefined) this.#run(backward, hay, at, size, this.#tell)
    else if (forward > 0) this.#tell(0)
    this.#hay = NOTHING
  }

  /** Whether some letter of an atom stands in the other case than it is written. */
  #isOtherCase({ bytes }: Haystack, atom: number, at: number, size: number): boolean {
    // where there is one atom only, nothing depends on it
    if (this.atoms.length < 2) return false
    const { nodes } = this.atoms[atom] as Atom
    for (let i = 0; i < nodes.length; i++) {
      const { value, caseless } = nodes[i] as Atom['nodes'][number]
      if (caseless && bytes[at + i * size] !== value) return true
    }
    return false
  }

  #run(machine: Machine, hay: Haystack, at: number, size: number, arrived?: Arrived): number {
    const last = machine.run(hay, at, size, arrived)
    this.#went += machine.went
    if (machine.work > MAX_WORK) this.#tooMuchWork = true
    return last
  }

  /** A match begins so many bytes before the place. */
  readonly #tell = (back: number): void => {
    const start = this.#at - back
    const length = back + this.#forwardLength
    if (!this.#part.fullword || standsAlone(this.#hay, start, length, this.#size === 2))
      this.#found(start, length, this.#order)
  }
}

/**
 * When libyara comes to an atom: where it ends; of those that end together the longest first, and of equal ones the last of the list. The
 * list is turned round where it is made wide, and once more for letters of the other case than the written one, which come behind all others.
 */
function orderOf(at: number, length: number, atom: number, wide: boolean, otherCase: boolean): number {
  const most = MAX_RANKED / 2 - 1
  const index = Math.min(atom, most)
  const rank = (otherCase ? 0 : most + 1) + (wide === otherCase ? most - index : index)
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

function flatten(node: TreeNode, into: TreeNode[]): void {
  if (node.kind === 'concat') for (const item of node.items) flatten(item, into)
  else into.push(node)
}

function stepOf(node: TreeNode): RowStep {
  if (node.kind === 'byte' || node.kind === 'class') return { set: node.set }
  if (node.kind === 'jump') return { min: node.min, max: node.max }
  throw new Error(`a hex string holds ${node.kind}`)
}
