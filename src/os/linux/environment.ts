/** The environment that a process was started with, from its own memory: as /proc/PID/environ, split at its NULs. */
import type { AbsentReason, VirtualMemory } from '../../core/virtual-memory.js'
import { type ReadableKernel, StructReader } from '../struct/reader.js'
import { decodeText } from '../struct/record.js'
import { MM } from './memory-map.js'

/** What stands there now (a process may have written over it), or why nothing can be told. */
export type Environment =
  | {
      readonly kind: 'read'
      /** `NAME=value` as they stand, in order. What is absent inside is left out. */
      readonly variables: readonly string[]
      /** False where a part was absent or beyond the bound of 4 MiB. */
      readonly complete: boolean
    }
  /** `none`: the process has no memory (any more), or never had an environment; otherwise why its page is not there. */
  | { readonly kind: 'absent'; readonly reason: AbsentReason | 'none' }

/** The kernel allows a quarter of the stack's limit, 6 MiB at the very most (MAX_ARG_STRINGS aside). */
const MAX_BYTES = 4 << 20

const NONE: Environment = { kind: 'absent', reason: 'none' }

/**
 * Reads the environment between `env_start` and `env_end`. `mm`: address of the process's `mm_struct`, 0 for none. `user` reads the
 * process's own memory.
 */
export function environment(
  kernel: ReadableKernel,
  mm: bigint,
  user: VirtualMemory,
  reader = new StructReader(kernel),
): Environment {
  const record = mm === 0n ? undefined : reader.record(MM, mm)
  const start = record?.link('envStart')
  const end = record?.link('envEnd')
  if (start === undefined || end === undefined || end <= start) return NONE
  const length = end - start > BigInt(MAX_BYTES) ? MAX_BYTES : Number(end - start)
  const { bytes, absent } = user.read(start, length)
  const missing = absent.reduce((sum, hole) => sum + hole.length, 0)
  const reason = absent[0]?.reason
  if (missing >= length && reason !== undefined) return { kind: 'absent', reason }
  const variables: string[] = []
  let from = 0
  for (const hole of absent) {
    const to = Number(hole.va - start)
    collect(bytes.subarray(from, to), variables)
    from = to + hole.length
  }
  collect(bytes.subarray(from), variables)
  return { kind: 'read', variables, complete: missing === 0 && end - start === BigInt(length) }
}

function collect(bytes: Uint8Array, variables: string[]): void {
  for (const variable of decodeText(bytes).split('\0')) if (variable !== '') variables.push(variable)
}
