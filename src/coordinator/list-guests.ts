/** The running guests of this machine that can be opened. */
import { listQemuGuests, type QemuGuest } from '../qemu/discover.js'
import type { Monitor } from '../qemu/monitor.js'
import { openMonitor } from '../qemu/open-monitor.js'
import { qemuProcess } from '../qemu/processes.js'
import { runState } from '../qemu/run-state.js'

export interface GuestEntry {
  /** What `openTarget` takes. */
  readonly target: string
  readonly name: string | undefined
  /** The hypervisor's process. */
  readonly pid: number | undefined
  /** Of memory, plugged DIMMs included where a monitor tells of them. */
  readonly bytes: number | undefined
  /** QEMU's own word: `running`, `paused`, ... Undefined where no monitor answers. */
  readonly state: string | undefined
}

/** A monitor that does not greet in this time is taken by somebody else. */
const GREETING_MS = 500
/** One that hangs is no reason to wait long for a list. */
const STATE_MS = 2000

/**
 * Lists QEMU's guests, ascending by process id; those that libvirt looks after under its name for them. A guest whose monitor can't be
 * asked is listed with what is known without it.
 */
export async function listGuests(): Promise<GuestEntry[]> {
  const { listLibvirtGuests } = await import('../qemu/libvirt.js')
  const domains = listLibvirtGuests()
  const guests = listQemuGuests().map(
    guest =>
      domains.find(({ process }) => process !== undefined && process.pid === guest.process?.pid) ?? guest,
  )
  return Promise.all(guests.map(describe))
}

async function describe(guest: QemuGuest): Promise<GuestEntry> {
  const pid = guest.process?.pid
  const bytes = pid === undefined ? undefined : qemuProcess(pid)?.commandLine.memoryBytes
  const known = { target: guest.target, name: guest.name, pid, bytes, state: undefined }
  if (guest.qmpPaths.length === 0 && guest.libvirt === undefined) return known
  try {
    using monitor = await openMonitor(guest, { greetingMs: GREETING_MS })
    const { status } = await runState(monitor, { timeoutMs: STATE_MS })
    return { ...known, bytes: (await memoryBytes(monitor)) ?? bytes, state: status }
  } catch {
    // taken, forbidden, or gone meanwhile: it is listed all the same
    return known
  }
}

async function memoryBytes(monitor: Monitor): Promise<number | undefined> {
  const answer = (await monitor.execute(
    'query-memory-size-summary',
    {},
    { timeoutMs: STATE_MS },
  )) as Readonly<Record<string, unknown>> | null
  const base = answer?.['base-memory']
  const plugged = answer?.['plugged-memory']
  return typeof base === 'number' ? base + (typeof plugged === 'number' ? plugged : 0) : undefined
}
