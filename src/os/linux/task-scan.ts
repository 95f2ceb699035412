/**
 * Looks for processes in physical memory, whatever the kernel's lists say. What finds them is that the leader of a thread group
 * points to itself (`group_leader`): in the kernel's direct map, a structure at gpa g has the address g + delta, so one word
 * per possible place tells most places off, without knowledge of slabs. What the word lets through is read and checked.
 */
import { type MemoryRun, type PhysicalMemory, readInto } from '../../core/memory.js'
import type { Problems } from '../problem.js'
import type { StructReader } from '../struct/reader.js'
import { StructRecord } from '../struct/record.js'
import { MAX_PIDS, TASK, type TaskRecord } from './tasks.js'

/** Where tasks stand in the slabs: `L1_CACHE_BYTES` is 64 or more on 64-bit, 32 or more on 32-bit. */
const TASK_ALIGNMENT = 32
const WINDOW_BYTES = 8 << 20
/** Candidates that are read and checked; each is cheap, but a hostile image may be full of them. */
const MAX_CANDIDATES = 2 ** 18
const MAX_FOUND = 2 ** 16

const EXIT_FLAGS = 0x30

/** What a scan of memory needs of the task list: how far the direct map is from physical memory. */
export interface TaskScanPlan {
  /** Kernel virtual address of gpa 0 in the direct map. */
  readonly directMap: bigint
}

/**
 * Addresses (in the direct map) of what looks like leaders of thread groups, ascending by gpa: processes that the kernel's lists
 * hold or not, and remains of ended ones.
 */
export function scanForTasks(
  reader: StructReader,
  memory: PhysicalMemory,
  { directMap }: TaskScanPlan,
  problems: Problems,
): bigint[] {
  const layout = reader.layout(TASK)
  const offset = layout.offset('groupLeader')
  if (offset === undefined) {
    problems.add('unknown', 'task scan: no member task_struct.group_leader')
    return []
  }
  const found: bigint[] = []
  let candidates = 0
  const scratch = new Uint8Array(layout.spanBytes)
  for (const run of memory.runs) {
    for (let gpa = run.gpa; gpa < run.gpa + run.length; ) {
      const limit = Math.min(WINDOW_BYTES, run.gpa + run.length - gpa)
      const span = memory.spanAt(gpa, limit)
      if (span.kind === 'data') {
        const { bytes } = memory.window(gpa, span.length)
        for (const at of selfPointers(bytes, gpa, offset, directMap, reader.pointerBytes)) {
          if (candidates++ >= MAX_CANDIDATES || found.length >= MAX_FOUND) {
            problems.add('cut', `task scan: cut at ${found.length} tasks and ${MAX_CANDIDATES} places`)
            return found
          }
          const task = readPhysical(reader, memory, run, at, scratch, directMap)
          if (task !== undefined && looksLikeTask(reader, task)) found.push(task.address)
        }
      }
      gpa += span.length
    }
  }
  return found
}

/** gpas of the structures whose word at `offset` is their own address. `bytes` stand at `gpa`. */
function selfPointers(
  bytes: Uint8Array,
  gpa: number,
  offset: number,
  directMap: bigint,
  pointerBytes: 4 | 8,
): number[] {
  const places: number[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const baseLow = Number(directMap & 0xffff_ffffn)
  const baseHigh = Number(directMap >> 32n)
  // the first place at which a structure's word lies in this window: the structure may start before it
  const skew = (((gpa - offset) % TASK_ALIGNMENT) + TASK_ALIGNMENT) % TASK_ALIGNMENT
  const first = skew === 0 ? 0 : TASK_ALIGNMENT - skew
  const end = bytes.length - pointerBytes
  for (let at = first; at <= end; at += TASK_ALIGNMENT) {
    const low = view.getUint32(at, true)
    const structure = gpa + at - offset
    // `>>> 0` keeps the low 32 bits of a sum below 2^53
    if (low !== (structure + baseLow) >>> 0) continue
    if (structure < 0) continue
    if (pointerBytes === 8) {
      const carried = Math.floor((structure + baseLow) / 2 ** 32)
      if (view.getUint32(at + 4, true) !== (carried + baseHigh) >>> 0) continue
    }
    places.push(structure)
  }
  return places
}

/** A task by its gpa: slabs are physically contiguous. */
function readPhysical(
  reader: StructReader,
  memory: PhysicalMemory,
  run: MemoryRun,
  gpa: number,
  scratch: Uint8Array,
  directMap: bigint,
): TaskRecord | undefined {
  const layout = reader.layout(TASK)
  const start = gpa + layout.spanOffset
  if (start < run.gpa || start + layout.spanBytes > run.gpa + run.length) return undefined
  const gaps = readInto(memory, start, scratch)
  const absent = gaps.flatMap(gap => [gap.gpa - start, gap.gpa - start + gap.length])
  return new StructRecord(layout, directMap + BigInt(gpa), scratch, absent, reader.pointerBytes)
}

/** Every check that the types allow; each is of a member that no task has otherwise. */
function looksLikeTask(reader: StructReader, task: TaskRecord): boolean {
  const pid = task.number('pid')
  const tgid = task.number('tgid')
  if (pid === undefined || pid === 0 || pid > MAX_PIDS) return false
  if (tgid !== undefined && tgid !== pid) return false
  const comm = task.bytes('comm')
  if (comm === undefined || !isComm(comm)) return false
  const exit = task.number('exitState') ?? 0
  if (exit > 0xff || (exit & ~EXIT_FLAGS) !== 0) return false
  for (const name of ['realParent', 'tasks'] as const) {
    const pointer = task.pointer(name)
    if (pointer !== undefined && !reader.isKernelAddress(pointer)) return false
  }
  // the last reference to an ended task takes its credentials away
  if (exit === 0 && task.pointer('realCred') === 0n) return false
  for (const name of ['realCred', 'mm', 'signal', 'stack', 'files', 'fs', 'nsproxy', 'threadPid'] as const) {
    const pointer = task.pointer(name)
    if (pointer !== undefined && pointer !== 0n && !reader.isKernelAddress(pointer)) return false
  }
  return true
}

/** A name, then zeros: 1 to 15 bytes that are no control characters. */
function isComm(bytes: Uint8Array): boolean {
  const end = bytes.indexOf(0)
  if (end < 1) return false
  for (let i = 0; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (byte < 0x20 || byte === 0x7f) return false
  }
  return true
}

/** Of the structures whose address and gpa are known, where gpa 0 would stand: the direct map. Most must agree. */
export function directMapOf(
  places: Iterable<{ readonly va: bigint; readonly gpa: number }>,
): bigint | undefined {
  const votes = new Map<bigint, number>()
  let all = 0
  for (const { va, gpa } of places) {
    const base = va - BigInt(gpa)
    votes.set(base, (votes.get(base) ?? 0) + 1)
    all++
  }
  for (const [base, count] of votes) if (count * 2 > all) return base
  return undefined
}
