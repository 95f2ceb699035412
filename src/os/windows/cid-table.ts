/** Processes by the kernel's table of process and thread ids (PspCidTable). */
import type { Problems } from '../problem.js'
import type { StructReader } from '../struct/reader.js'
import { walkHandles } from './handle-table.js'
import type { WindowsKernel } from './kernel.js'
import { PROCESS } from './process-structs.js'

/** Addresses of `_EPROCESS` whose own process id is the one they stand under; threads are left out. */
export function processesById(kernel: WindowsKernel, reader: StructReader, problems: Problems): bigint[] {
  const place = kernel.places.cidTable
  const table = place === undefined ? undefined : reader.pointer(place.address)
  if (table === undefined || !reader.isKernelAddress(table)) {
    problems.add('unknown', 'table of process ids: not found')
    return []
  }
  const found: bigint[] = []
  for (const { handle, address } of walkHandles(kernel, reader, table, 'table of process ids', problems))
    if (reader.record(PROCESS, address)?.number('pid') === handle && isProcess(reader, address))
      found.push(address)
  return found
}

/** DISPATCHER_HEADER.Type of a process; a thread's is 6. */
const PROCESS_OBJECT = 3

/** Whether a process's dispatcher header stands there. */
export function isProcess(reader: StructReader, address: bigint): boolean {
  const type = reader.bytes(address, 1)?.[0]
  // the highest bit is a lock
  return type !== undefined && (type & 0x7f) === PROCESS_OBJECT
}
