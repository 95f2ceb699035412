/** What QEMU tells of the machine itself. */
import type { Architecture } from '../core/architecture.js'
import type { Monitor } from './monitor.js'

export interface MachineFacts {
  /** Absent where the processor leaves it open: an x86-64 machine may run a 32-bit system. */
  readonly architecture: Architecture | undefined
  readonly vcpus: number | undefined
}

/** @throws VmsiftError as `Monitor.execute`. */
export async function machineFacts(monitor: Monitor): Promise<MachineFacts> {
  const target = (await monitor.execute('query-target')) as { arch?: unknown } | undefined
  const cpus = await monitor.execute('query-cpus-fast')
  return {
    architecture: target?.arch === 'aarch64' ? 'aarch64' : undefined,
    vcpus: Array.isArray(cpus) ? cpus.length : undefined,
  }
}
