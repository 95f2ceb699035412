/** Layouts of structures put together out of single facts, each of which says where it came from. */
import type { Member, TypeTable } from '../../../symbols/contract.js'

/** A fact as `info --json` tells it. */
export interface LayoutOrigin {
  /** `_EPROCESS.UniqueProcessId`. */
  readonly member: string
  readonly offset: number
  /** `isf`, `rekall`, `accessor PsGetProcessId`, `table 19041`, `structure`, ... */
  readonly from: string
}

interface Fact {
  readonly member: Member
  readonly from: string
}

/** A type table of facts. The first that is told of a member stays. */
export class FactTypes implements TypeTable {
  readonly source = 'derived'
  readonly #members = new Map<string, Map<string, Fact>>()
  readonly #sizes = new Map<string, number>()

  /** Whether it was new. */
  add(type: string, path: string, member: Member, from: string): boolean {
    const members = this.#members.get(type) ?? new Map<string, Fact>()
    this.#members.set(type, members)
    if (members.has(path)) return false
    members.set(path, { member, from })
    return true
  }

  size(type: string, bytes: number): void {
    if (!this.#sizes.has(type)) this.#sizes.set(type, bytes)
  }

  from(type: string, path: string): string | undefined {
    return this.#members.get(type)?.get(path)?.from
  }

  sizeOf(type: string): number | undefined {
    return this.#sizes.get(type)
  }

  member(type: string, path: string): Member | undefined {
    return this.#members.get(type)?.get(path)?.member
  }

  enumerator(): number | undefined {
    return undefined
  }

  members(type: string): readonly string[] | undefined {
    const members = this.#members.get(type)
    return members === undefined ? undefined : [...members.keys()]
  }

  /** All facts of these types. */
  origins(types: readonly string[]): LayoutOrigin[] {
    return types.flatMap(type =>
      [...(this.#members.get(type) ?? [])].map(([path, { member, from }]) => ({
        member: `${type}.${path}`,
        offset: member.offset,
        from,
      })),
    )
  }
}

/** The exact tables of a symbol file where there are some, facts for types that it lacks. */
export class LayeredTypes implements TypeTable {
  readonly source: string
  readonly #exact: TypeTable
  readonly #rest: TypeTable

  constructor(exact: TypeTable, rest: TypeTable) {
    this.source = exact.source
    this.#exact = exact
    this.#rest = rest
  }

  sizeOf(type: string): number | undefined {
    return this.#of(type).sizeOf(type)
  }

  member(type: string, path: string): Member | undefined {
    return this.#of(type).member(type, path)
  }

  enumerator(name: string): number | undefined {
    return this.#exact.enumerator(name)
  }

  members(type: string): readonly string[] | undefined {
    return this.#of(type).members(type)
  }

  #of(type: string): TypeTable {
    return this.#exact.sizeOf(type) === undefined ? this.#rest : this.#exact
  }
}
