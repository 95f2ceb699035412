/**
 * Which gdbstub a QEMU has: it has one at most, and serves one debugger. QEMU tells of it as a character device
 * (`query-chardev`), by its name `gdb`, or by the name that `-gdb chardev:NAME` gave it.
 */
import { VmsiftError } from '../core/errors.js'
import type { StubAddress } from './gdbstub-link.js'
import type { Monitor } from './monitor.js'
import { argumentsOf } from './processes.js'

export interface StubServer {
  /** QEMU's own words for where it listens: `unix:/run/gdb,server=on`. */
  readonly device: string
  /** Whether a debugger is connected. */
  readonly connected: boolean
  /** How to connect; undefined for what is no socket (a terminal, standard input). */
  readonly address: StubAddress | undefined
}

const DEFAULT_LABEL = 'gdb'

/**
 * The stub that runs in QEMU, if one does.
 * @throws VmsiftError as `Monitor.execute`.
 */
export async function findStub(monitor: Monitor, pid: number | undefined): Promise<StubServer | undefined> {
  const labels = [DEFAULT_LABEL, ...labelsOnCommandLine(pid)]
  const answer = await monitor.execute('query-chardev')
  const devices = Array.isArray(answer) ? (answer as { label?: unknown; filename?: unknown }[]) : []
  const found = devices.find(device => labels.includes(String(device?.label)))
  return typeof found?.filename === 'string' ? parseDevice(found.filename) : undefined
}

/** Reads QEMU's name of a socket: `disconnected:unix:PATH,server=on`, `tcp:HOST:PORT,server=on <-> HOST:PORT`. */
export function parseDevice(filename: string): StubServer {
  const waiting = filename.startsWith('disconnected:')
  const device = waiting ? filename.slice('disconnected:'.length) : filename
  const address = addressOf(device)
  // A terminal has no "disconnected": whoever reads it can't be told from nobody.
  return { device, connected: !waiting, address }
}

function addressOf(device: string): StubAddress | undefined {
  const path = /^unix:(.+?)(?:,server(?:=on)?)?(?:,.*)?$/.exec(device)?.[1]
  if (path !== undefined) return { kind: 'unix', path }
  const [, host = '', port = ''] = /^(?:tcp|telnet):(\[[^\]]*\]|[^:]*):(\d+)/.exec(device) ?? []
  if (port === '') return undefined
  const name = host.replace(/^\[(.*)\]$/, '$1')
  return { kind: 'tcp', host: LOOPBACK[name] ?? name, port: Number(port) }
}

/** Listening everywhere is listening here. */
const LOOPBACK: Readonly<Record<string, string>> = { '': '127.0.0.1', '0.0.0.0': '127.0.0.1', '::': '::1' }

/** None where the process has ended or is another user's: QEMU's own list has to do. */
function labelsOnCommandLine(pid: number | undefined): string[] {
  return (pid === undefined ? [] : argumentsOf(pid)).flatMap((word, at, words) =>
    /^--?gdb$/.test(words[at - 1] ?? '') ? (/^chardev:(.+)$/.exec(word)?.[1] ?? []) : [],
  )
}

/** Why vmsift keeps away from a stub. */
export function stubBusy(server: StubServer): VmsiftError {
  const why = server.address === undefined ? 'is no socket' : 'has a debugger connected'
  return new VmsiftError(
    'monitor-busy',
    `the guest's gdbstub (${server.device}) ${why}, and QEMU has only one: vmsift does not take it over; end that debugger, or that stub with the monitor's 'gdbserver none'`,
    { detail: { device: server.device } },
  )
}
