/** A task's pid in each pid namespace it is seen from (include/linux/pid.h). */
import { hex } from '../../core/address.js'
import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { TaskRecord } from './tasks.js'

/** What the lists read of a `struct pid`. */
export const PID = structSpec('pid', { level: 'level', tasks: 'tasks', numbers: 'numbers' })

const UPID = structSpec('upid', { number: 'nr', namespace: 'ns' })

/** A `struct pid_link` of kernels before 4.19. */
const PID_LINK = structSpec('pid_link', { pid: 'pid' })

/** `MAX_PID_NS_LEVEL` of kernel/pid_namespace.c. */
const MAX_LEVELS = 32

/**
 * The pids of a task, from the guest's own namespace inward, as the NSpid line of /proc/PID/status: one for a task in no
 * container. Empty when the task has none any more, or the types don't tell.
 */
export function namespacePids(reader: StructReader, task: TaskRecord, problems: Problems): readonly number[] {
  const address = pidAddress(reader, task)
  if (address === undefined) return []
  const pid = reader.record(PID, address)
  const level = pid?.number('level')
  const numbers = pid?.addressOf('numbers')
  const stride = reader.types.sizeOf('upid')
  if (pid === undefined || level === undefined || numbers === undefined || stride === undefined) return []
  if (level > MAX_LEVELS) {
    problems.add('broken', `pid ${hex(address)}: level ${level}`, address)
    return []
  }
  const pids: number[] = []
  for (let i = 0; i <= level; i++) {
    const number = reader.record(UPID, numbers + BigInt(i * stride))?.number('number')
    if (number === undefined) break
    pids.push(number)
  }
  return pids
}

function pidAddress(reader: StructReader, task: TaskRecord): bigint | undefined {
  if (task.layout.has('threadPid')) return task.link('threadPid')
  const link = task.addressOf('pidLinks')
  return link === undefined ? undefined : reader.record(PID_LINK, link)?.link('pid')
}
