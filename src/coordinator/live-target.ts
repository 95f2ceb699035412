/** Running guests as targets. */
import type { CpuState } from '../core/cpu-state.js'
import { VmsiftError } from '../core/errors.js'
import { denialAdvice } from '../drivers/denial.js'
import { type LiveAccess, type LivePlan, planLive } from '../drivers/live-plan.js'
import type { QemuGuest } from '../qemu/discover.js'
import { guessSections } from '../qemu/layout.js'
import { type MachineFacts, machineFacts } from '../qemu/machine-facts.js'
import { type MemorySection, memorySections } from '../qemu/memory-map.js'
import type { Monitor } from '../qemu/monitor.js'
import { MonitorLink } from '../qemu/monitor-link.js'
import { openMonitor } from '../qemu/open-monitor.js'
import { type HostMapping, hostMappings } from '../qemu/process-maps.js'
import { isRunning, type ProcessId, qemuProcess } from '../qemu/processes.js'
import { QmpMonitor } from '../qemu/qmp.js'
import { monitorRegisters } from '../qemu/registers.js'
import { TurnMonitor } from '../qemu/turn-monitor.js'
import { BaseTarget } from './base-target.js'
import { findGuest } from './find-guest.js'
import type { LiveTarget } from './live.js'
import type { LiveWord } from './live-word.js'
import type { TargetOptions } from './target.js'

/**
 * @throws VmsiftError `target-not-found`, `target-unreadable`, `target-unsupported`, `bad-argument`.
 * @internal
 */
export async function openLiveTarget(
  path: string,
  word: LiveWord,
  options: TargetOptions,
): Promise<LiveTarget> {
  refuseImageOptions(path, options)
  const guest = await findGuest(path, word)
  const { process } = guest
  const asked = new MonitorLink(() => openMonitor(guest))
  const { sections, facts, cpus, warnings } = await askMonitor(asked).catch((error: unknown) =>
    guess(process, error),
  )
  const { plan, qmpPath } = await bestPlan(guest, sections, options.allowWrite === true)
  const link = new MonitorLink(monitorBeside(guest, plan, qmpPath))
  return new QemuTarget(path, guest, link, { ...facts, cpus, warnings }, plan)
}

/** Opens a monitor that leaves alone the socket through which memory is read, if any; or takes turns with that, if there is no other. */
function monitorBeside(
  guest: QemuGuest,
  { spec }: LivePlan,
  qmpPath: string | undefined,
): () => Promise<Monitor> {
  const told = spec.sources.find(({ kind }) => kind === 'monitor')
  if (told?.kind !== 'monitor') return () => openMonitor(guest)
  const left = { ...guest, qmpPaths: guest.qmpPaths.filter(other => other !== qmpPath) }
  if (left.qmpPaths.length > 0) return () => openMonitor(left)
  return async () => new TurnMonitor(told.qmpPath, told.turns)
}

function refuseImageOptions(path: string, { format, base }: TargetOptions): void {
  if (format === undefined && base === undefined) return
  const option = format === undefined ? 'base' : 'format'
  throw new VmsiftError('bad-argument', `${option} is for image files; ${path} is a running guest`)
}

const GREETING_MS = 500

/** Reads QEMU's memory itself where that is allowed, else asks its monitor. */
async function bestPlan(
  guest: QemuGuest,
  sections: readonly MemorySection[],
  write: boolean,
): Promise<{ readonly plan: LivePlan; readonly qmpPath?: string }> {
  const direct = attempt(() => planLive(guest.process, sections, { write }))
  if (!(direct instanceof VmsiftError) && !direct.spec.sources.some(({ kind }) => kind === 'none'))
    return { plan: direct }
  const qmpPath = write ? undefined : await freeSocket(guest)
  if (qmpPath === undefined) {
    if (direct instanceof VmsiftError) throw direct
    return { plan: direct }
  }
  if (!(direct instanceof VmsiftError)) direct[Symbol.dispose]()
  return { plan: planLive(guest.process, sections, { write, qmpPath }), qmpPath }
}

function attempt(call: () => LivePlan): LivePlan | VmsiftError {
  try {
    return call()
  } catch (error) {
    if (error instanceof VmsiftError) return error
    throw error
  }
}

/** A QMP socket of the guest that is free. */
async function freeSocket({ qmpPaths }: QemuGuest): Promise<string | undefined> {
  for (const path of qmpPaths) {
    try {
      using _free = await QmpMonitor.connect(path, { greetingMs: GREETING_MS })
      return path
    } catch (error) {
      // the next one may be free
      if (!(error instanceof VmsiftError)) throw error
    }
  }
  return undefined
}

interface Machine {
  readonly sections: readonly MemorySection[]
  readonly facts: MachineFacts
  /** As they stood when the guest was opened. They lead to its kernel, and are checked there. */
  readonly cpus: readonly CpuState[]
  readonly warnings: readonly string[]
}

async function askMonitor(link: MonitorLink): Promise<Machine> {
  using share = await link.share()
  const { monitor } = share
  return {
    sections: await memorySections(monitor),
    facts: await machineFacts(monitor),
    cpus: await registersOf(monitor),
    warnings: [],
  }
}

/** None of a machine whose registers vmsift does not know. */
async function registersOf(monitor: Monitor): Promise<readonly CpuState[]> {
  try {
    return await monitorRegisters(monitor)
  } catch (error) {
    if (error instanceof VmsiftError && error.code === 'monitor-failed') return []
    throw error
  }
}

/** What can be told without a monitor; `error` says why there is none. */
function guess(process: ProcessId | undefined, error: unknown): Machine {
  const commandLine = process && qemuProcess(process.pid)?.commandLine
  if (!(error instanceof VmsiftError) || process === undefined || commandLine === undefined) throw error
  const { pid } = process
  const sections = guessSections(commandLine, readMappings(pid))
  const warning = `its memory map is taken from QEMU's command line, without ROM and plugged memory: ${error.message}`
  return { sections, facts: { architecture: undefined, vcpus: undefined }, cpus: [], warnings: [warning] }
}

function readMappings(pid: number): HostMapping[] {
  try {
    return hostMappings(pid)
  } catch (cause) {
    throw new VmsiftError('target-unreadable', denialAdvice(pid, 'denied'), { detail: { pid }, cause })
  }
}

class QemuTarget extends BaseTarget implements LiveTarget {
  override readonly live = true
  readonly access: LiveAccess
  readonly mapped: boolean
  readonly vcpus: number | undefined
  readonly guest: QemuGuest
  readonly link: MonitorLink

  constructor(
    path: string,
    guest: QemuGuest,
    link: MonitorLink,
    facts: MachineFacts & Pick<Machine, 'cpus' | 'warnings'>,
    plan: LivePlan,
  ) {
    super({
      path,
      format: guest.libvirt === undefined ? 'qemu' : 'libvirt',
      live: true,
      writable: plan.access !== 'monitor',
      architecture: facts.architecture,
      space: 'physical',
      notes: { cpus: facts.cpus },
      warnings: [...facts.warnings, ...plan.warnings],
      driver: plan.spec,
      close: () => plan[Symbol.dispose](),
    })
    this.access = plan.access
    this.mapped = plan.mapped
    this.vcpus = facts.vcpus
    this.guest = guest
    this.link = link
  }

  /** A reboot leaves everything as it is from outside: nothing is kept of a running guest. */
  identity(): undefined {
    return undefined
  }

  isRunning(): boolean {
    const { process } = this.guest
    return process === undefined || isRunning(process)
  }
}
