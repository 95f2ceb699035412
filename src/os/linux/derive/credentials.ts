/** Where a task keeps its credentials, and the user ids in them (include/linux/cred.h). */
import type { DerivedTypes } from './layout.js'
import type { PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'
import type { TaskSet } from './tasks.js'

const CRED_BYTES = 160
/** `uid` to `fsgid`. */
const IDS = ['uid', 'gid', 'suid', 'sgid', 'euid', 'egid', 'fsuid', 'fsgid'] as const
/** Kernels know 38 to 64 capabilities; the set of all of them is a row of ones from bit 0. */
const MIN_CAPABILITIES = 32
const MAX_SAMPLES = 64

/**
 * `real_cred` and `cred` are equal and stand before `comm`; what they lead to holds, in kernel threads, no inheritable capability,
 * three times all of them, and before those eight ids that are 0.
 */
export function deriveCredentials(reader: PlaceReader, tasks: TaskSet, types: DerivedTypes): void {
  const width = reader.pointerBytes
  const some = [...tasks.kernel.slice(0, MAX_SAMPLES / 2), ...tasks.user.slice(0, MAX_SAMPLES / 2)]
  const pairs = offsetsWhere(
    some,
    [tasks.comm - 24 * width, tasks.comm, width],
    (task, offset) =>
      reader.isPointer(task.pointer(offset)) && task.pointer(offset) === task.pointer(offset + width),
  )
  const found = pairs.flatMap(pair => {
    const kernel = tasks.kernel
      .slice(0, MAX_SAMPLES)
      .map(task => new Sample(reader, task.pointer(pair), CRED_BYTES))
    return idsIn(kernel).map(ids => ({ pair, ids, kernel }))
  })
  const [only] = found
  if (only === undefined || found.length > 1) return
  const { pair, ids } = only
  const user = tasks.user.map(task => new Sample(reader, task.pointer(pair), CRED_BYTES))
  const plain = user.filter(
    cred => cred.u32(ids) !== 0 && IDS.every((_, i) => cred.u32(ids + 4 * i) === cred.u32(ids)),
  )
  const why = `two equal pointers to ids and capabilities, in ${some.length} tasks`
  types.set('task_struct', 'real_cred', pair, why, { typeName: 'cred' })
  types.set('task_struct', 'cred', pair + width, undefined, { typeName: 'cred' })
  const others = plain.length === 0 ? '' : `, eight equal ids in ${plain.length} others`
  IDS.forEach((name, i) => {
    const told =
      i === 0 ? `0 in ${tasks.kernel.length} kernel threads, before their capabilities${others}` : undefined
    types.set('cred', name, ids + 4 * i, told, { bytes: 4 })
  })
}

/** Offsets of `uid` that fit: the capabilities stand right behind the ids and `securebits`, aligned as a u64 where they are one. */
function idsIn(kernel: readonly Sample[]): number[] {
  const sets = offsetsWhere(kernel, [40, CRED_BYTES - 32, 4], (cred, offset) => {
    const all = cred.u64(offset + 8)
    return (
      cred.u64(offset) === 0 &&
      isFullSet(all) &&
      cred.u64(offset + 16) === all &&
      cred.u64(offset + 24) === all
    )
  })
  const [inheritable] = sets
  if (inheritable === undefined || sets.length > 1) return []
  // `securebits` is the last word before, or before four bytes of padding; ids of kernel threads are 0, `usage` before them is not
  return [inheritable - 36, inheritable - 40]
    .filter(
      ids =>
        ids >= 4 &&
        (ids % 8 === 0 || ids === inheritable - 36) &&
        agree(kernel, cred => cred.u32(ids - 4) !== 0 || (ids >= 8 && cred.u32(ids - 8) !== 0)) &&
        agree(kernel, cred => IDS.every((_, i) => cred.u32(ids + 4 * i) === 0)),
    )
    .slice(0, 1)
}

function isFullSet(value: number): boolean {
  const bits = Math.log2(value + 1)
  return bits >= MIN_CAPABILITIES && Number.isInteger(bits)
}
