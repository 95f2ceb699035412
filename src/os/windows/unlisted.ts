/** Processes that run and are missing from the kernel's list. */
import { Problems } from '../problem.js'
import { processesById } from './cid-table.js'
import type { WindowsKernel } from './kernel.js'
import {
  type OpenUserSpace,
  type WindowsProcess,
  type WindowsProcessOptions,
  WindowsProcessReader,
} from './processes.js'

/**
 * Processes of the kernel's table of ids that `listed` lacks: by their id they are asked for like others, and their memory is scanned like
 * that of others. What else a search of memory shows is `ps --check`'s affair.
 */
export function unlistedProcesses(
  kernel: WindowsKernel,
  open: OpenUserSpace | undefined,
  listed: readonly WindowsProcess[],
  options: WindowsProcessOptions = {},
): WindowsProcess[] {
  // what is wrong with that table is told by the list's cross-check
  const problems = new Problems()
  const reader = new WindowsProcessReader(kernel, open, problems, options)
  const known = new Set(listed.map(({ address }) => address))
  return processesById(kernel, reader.structs, problems).flatMap(address => {
    const process = known.has(address) ? undefined : reader.read(address)
    return process === undefined || process.pid === 0 || process.exitTime !== undefined ? [] : [process]
  })
}
