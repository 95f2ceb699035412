/** Layouts that were derived, as they grow: members with the evidence for each, served as a TypeTable. */
import type { Member, TypeTable } from '../../../symbols/contract.js'

interface DerivedMember {
  readonly member: Member
  /** The member is the structure `typeName` itself, not a pointer to one. */
  readonly embedded: boolean
}

/** Of a member that is more than a number or a pointer. */
export interface MemberKind {
  readonly bytes?: number
  readonly typeName?: string
  /** The member is that structure, not a pointer to it. */
  readonly embedded?: boolean
}

/** Collects members, and answers as a table of types. Members that could not be derived are not there. */
export class DerivedTypes implements TypeTable {
  readonly source = 'derived'
  readonly pointerBytes: 4 | 8
  readonly #types = new Map<string, Map<string, DerivedMember>>()
  readonly #sizes = new Map<string, number>()
  readonly #enumerators = new Map<string, number>()
  readonly #evidence: string[] = []

  constructor(pointerBytes: 4 | 8) {
    this.pointerBytes = pointerBytes
  }

  /** One line for each value that was derived: `task_struct.pid = 0x2d8 (...)`. */
  get evidence(): readonly string[] {
    return this.#evidence
  }

  /**
   * A member, by default as wide as a pointer. A path (`context.vdso`) stands for itself where the structure between is not known.
   * Without `evidence` it is one that belongs to another and is not told.
   */
  set(type: string, name: string, offset: number, evidence?: string, kind: MemberKind = {}): void {
    const { bytes = this.pointerBytes, typeName, embedded = false } = kind
    const member: Member = typeName === undefined ? { offset, bytes } : { offset, bytes, typeName }
    const members = this.#types.get(type) ?? new Map<string, DerivedMember>()
    members.set(name, { member, embedded })
    this.#types.set(type, members)
    if (evidence !== undefined)
      this.#evidence.push(`${type}.${name} = 0x${offset.toString(16)} (${evidence})`)
  }

  setSize(type: string, bytes: number): void {
    this.#sizes.set(type, bytes)
  }

  setEnumerator(name: string, value: number): void {
    this.#enumerators.set(name, value)
  }

  /** A line of evidence that is not a member's. */
  tell(line: string): void {
    this.#evidence.push(line)
  }

  /** Offset of a member that was derived before. */
  offset(type: string, path: string): number | undefined {
    return this.member(type, path)?.offset
  }

  sizeOf(type: string): number | undefined {
    return this.#sizes.get(type)
  }

  member(type: string, path: string): Member | undefined {
    const whole = this.#types.get(type)?.get(path)
    if (whole !== undefined) return whole.member
    let owner = type
    let base = 0
    let found: DerivedMember | undefined
    for (const name of path.split('.')) {
      if (found !== undefined) {
        if (!found.embedded || found.member.typeName === undefined) return undefined
        owner = found.member.typeName
        base += found.member.offset
      }
      found = this.#types.get(owner)?.get(name)
      if (found === undefined) return undefined
    }
    return found === undefined ? undefined : { ...found.member, offset: base + found.member.offset }
  }

  enumerator(name: string): number | undefined {
    return this.#enumerators.get(name)
  }

  /** Names of the structures that have members here. */
  typeNames(): readonly string[] {
    return [...this.#types.keys()]
  }

  members(type: string): readonly string[] | undefined {
    const members = this.#types.get(type)
    return members === undefined ? undefined : [...members.keys()].filter(name => !name.includes('.'))
  }
}
