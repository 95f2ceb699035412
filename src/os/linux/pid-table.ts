/** The kernel's table of pids: an idr since 4.15 (a radix tree, then an xarray), a hash table before (kernel/pid.c). */

import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import { walkChain } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'
import { PID } from './namespace-pids.js'
import { MAX_TASKS, TASK } from './tasks.js'
import { walkXarray } from './walk/xarray.js'

const PID_NAMESPACE = structSpec('pid_namespace', { tree: 'idr.idr_rt' })
const UPID = structSpec('upid', { chain: 'pid_chain' })

/** A hash of pids has at most 4096 buckets (`pidhash_init`). */
const MAX_HASH_SHIFT = 12

/**
 * The tasks that the guest's own pid namespace knows: addresses of `task_struct`s, threads too, each once.
 */
export function pidTable(kernel: LinuxKernel, reader: StructReader, problems: Problems): bigint[] {
  const namespace = kernel.symbols.addressOf('init_pid_ns')
  const tree =
    namespace === undefined ? undefined : reader.record(PID_NAMESPACE, namespace)?.addressOf('tree')
  if (tree !== undefined) {
    const entries = walkXarray(reader, tree, problems, { what: 'pid table', max: MAX_TASKS })
    return tasksOf(
      reader,
      entries.map(({ entry }) => entry),
    )
  }
  const hash = kernel.symbols.addressOf('pid_hash')
  if (hash !== undefined) return tasksOf(reader, pidHash(kernel, reader, hash, problems))
  problems.add('unknown', 'pid table: neither init_pid_ns with its tree nor pid_hash is known')
  return []
}

/** The `struct pid`s of the hash table. */
function pidHash(kernel: LinuxKernel, reader: StructReader, hash: bigint, problems: Problems): bigint[] {
  const shiftAt = kernel.symbols.addressOf('pidhash_shift')
  const shift = shiftAt === undefined ? undefined : reader.u32(shiftAt)
  const table = reader.pointer(hash)
  const chain = reader.layout(UPID).offset('chain')
  const numbers = reader.layout(PID).offset('numbers')
  if (shift === undefined || shift > MAX_HASH_SHIFT || table === undefined) return []
  if (chain === undefined || numbers === undefined) return []
  const pids: bigint[] = []
  for (const first of reader.pointers(table, 2 ** shift)) {
    if (pids.length >= MAX_TASKS) break
    // the outermost number stands first, and only that one is of the guest's own namespace
    for (const node of walkChain(reader, first ?? 0n, problems, { what: 'pid hash' }))
      pids.push(node - BigInt(chain + numbers))
  }
  return pids
}

/** From `struct pid`s to the tasks that have them as their own pid (`PIDTYPE_PID` is the first of its lists). */
function tasksOf(reader: StructReader, pids: readonly bigint[]): bigint[] {
  const link = reader.layout(TASK).offset('pidLinks')
  const found = new Set<bigint>()
  if (link === undefined) return []
  for (const address of pids) {
    const task = reader.record(PID, address)?.link('tasks')
    if (task !== undefined && reader.isKernelAddress(task)) found.add(task - BigInt(link))
  }
  return [...found]
}
