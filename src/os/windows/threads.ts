/** Threads of a process. */
import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { WindowsKernel } from './kernel.js'
import { PROCESS } from './process-structs.js'

const THREAD = structSpec('_ETHREAD', {
  process: 'Cid.UniqueProcess',
  id: 'Cid.UniqueThread',
  entry: 'ThreadListEntry',
  teb: 'Tcb.Teb',
})

/** A thread. */
export interface WindowsThread {
  readonly tid: number
  /** Virtual address of its environment block; threads of the kernel's have none. */
  readonly teb?: bigint
  /** Kernel virtual address of its `_ETHREAD`. */
  readonly address: bigint
}

const MAX_THREADS = 1 << 17
/** From the thread's id to its entry in the process's list: 0x40 in 5.1, 0x68 or 0x70 in later ones (PDBs). */
const MAX_DISTANCE = 0xa0
const SAMPLES = 4

/** The threads of the process whose `_EPROCESS` stands at `process`, in the kernel's order. */
export function windowsThreads(kernel: WindowsKernel, process: bigint): Listing<WindowsThread> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const head = reader.record(PROCESS, process)?.addressOf('threads')
  const pid = reader.record(PROCESS, process)?.pointer('pid')
  if (head === undefined || pid === undefined) {
    problems.add('unknown', 'threads: no member _EPROCESS.ThreadListHead')
    return { items: [], problems: problems.list }
  }
  const nodes = walkList(reader, head, problems, { what: 'thread list', max: MAX_THREADS })
  const layout = reader.layout(THREAD)
  const told = layout.offset('entry')
  const id = layout.offset('process')
  const entry = told ?? (id === undefined ? undefined : distanceTo(reader, nodes, pid, id))
  if (entry === undefined) {
    if (nodes.length > 0)
      problems.add('unknown', 'threads: where the list stands in _ETHREAD could not be told')
    return { items: [], problems: problems.list }
  }
  const items: WindowsThread[] = []
  for (const node of nodes) {
    const address = node - BigInt(entry)
    const record = reader.record(THREAD, address)
    const tid = record?.number('id')
    if (record === undefined || tid === undefined) continue
    if (record.pointer('process') !== pid) {
      problems.add('broken', `thread list: 0x${address.toString(16)} is another process's thread`, address)
      continue
    }
    const teb = record.link('teb')
    items.push({ tid, ...(teb !== undefined && { teb }), address })
  }
  return { items, problems: problems.list }
}

/** Offset of the list's entry in a thread: in front of it, at the same distance in all threads, stands the process's id. */
function distanceTo(
  reader: StructReader,
  nodes: readonly bigint[],
  pid: bigint,
  idOffset: number,
): number | undefined {
  const width = reader.pointerBytes
  const samples = nodes.slice(0, SAMPLES)
  if (samples.length === 0) return undefined
  for (let distance = 2 * width; distance <= MAX_DISTANCE; distance += width) {
    const fits = samples.every(node => {
      const [process, thread] = reader.pointers(node - BigInt(distance), 2)
      return (
        process === pid && thread !== undefined && thread % 4n === 0n && thread > 0n && thread < 1n << 26n
      )
    })
    if (fits) return idOffset + distance
  }
  return undefined
}
