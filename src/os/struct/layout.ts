/** Which members of a structure are wanted, and where they lie in this kernel. */
import type { Member, TypeTable } from '../../symbols/contract.js'

/**
 * A structure and the members that a reader wants of it. A member is a path (`signal`, `thread_info.flags`), or several of
 * which the first that this kernel has is taken: `['start_boottime', 'real_start_time']`. Make one a structure, at module level:
 * readers keep what they resolved by the object itself.
 */
export interface StructSpec<K extends string> {
  readonly type: string
  readonly members: Readonly<Record<K, string | readonly string[]>>
}

/** Names a structure and the members wanted of it. */
export function structSpec<K extends string>(
  type: string,
  members: Readonly<Record<K, string | readonly string[]>>,
): StructSpec<K> {
  return { type, members }
}

/** A structure larger than this is not read whole: a type table may be hostile too. */
const MAX_SPAN_BYTES = 64 * 1024

/** A spec resolved against a kernel's types. Members that the kernel lacks are absent. */
export class Layout<K extends string> {
  readonly type: string
  /** Bytes of the whole structure, 0 when the kernel's types don't have it. */
  readonly sizeBytes: number
  /** Offset of the first byte that any of the members needs, and how many bytes from there reach the last. */
  readonly spanOffset: number
  readonly spanBytes: number
  readonly #members = new Map<K, Member>()

  constructor(spec: StructSpec<K>, types: TypeTable) {
    this.type = spec.type
    this.sizeBytes = types.sizeOf(spec.type) ?? 0
    let first = Number.POSITIVE_INFINITY
    let end = 0
    for (const name of Object.keys(spec.members) as K[]) {
      const member = firstMember(types, spec.type, spec.members[name])
      if (member === undefined || member.offset + member.bytes > MAX_SPAN_BYTES) continue
      this.#members.set(name, member)
      first = Math.min(first, member.offset)
      end = Math.max(end, member.offset + storageBytes(member))
    }
    this.spanOffset = end === 0 ? 0 : first
    this.spanBytes = end === 0 ? 0 : end - first
  }

  member(name: K): Member | undefined {
    return this.#members.get(name)
  }

  has(name: K): boolean {
    return this.#members.has(name)
  }

  /** Bytes from the structure's start. */
  offset(name: K): number | undefined {
    return this.#members.get(name)?.offset
  }
}

/** Bytes that must be read for a member: a bit field may pass the end of its first byte. */
export function storageBytes(member: Member): number {
  if (member.bits === undefined) return member.bytes
  return Math.ceil((member.bits.first + member.bits.count) / 8)
}

function firstMember(types: TypeTable, type: string, paths: string | readonly string[]): Member | undefined {
  if (typeof paths === 'string') return types.member(type, paths)
  for (const path of paths) {
    const member = types.member(type, path)
    if (member !== undefined) return member
  }
  return undefined
}
