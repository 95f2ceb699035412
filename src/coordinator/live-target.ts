/** Running guests as targets. */
import { VmsiftError } from '../core/errors.js'
import { type LiveAccess, type LivePlan, planLive } from '../drivers/live-plan.js'
import { findQemuGuest, type QemuGuest } from '../qemu/discover.js'
import { type MachineFacts, machineFacts } from '../qemu/machine-facts.js'
import { type MemorySection, memorySections } from '../qemu/memory-map.js'
import { MonitorLink } from '../qemu/monitor-link.js'
import { openMonitor } from '../qemu/open-monitor.js'
import { isRunning } from '../qemu/processes.js'
import { BaseTarget } from './base-target.js'
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
  const guest = findGuest(path, word)
  const { process } = guest
  if (process === undefined)
    throw new VmsiftError(
      'target-unreadable',
      `the QEMU behind ${path} is not to be seen on this machine: its memory can't be read`,
      { detail: { path } },
    )
  const link = new MonitorLink(() => openMonitor(guest))
  const { sections, facts } = await askMonitor(link)
  const plan = planLive(process, sections, options.allowWrite === true)
  return new QemuTarget(path, guest, link, plan, facts)
}

function findGuest(path: string, { hypervisor, word }: LiveWord): QemuGuest {
  if (word === '')
    throw new VmsiftError('bad-argument', `${path} names no guest; vmsift list shows those that run here`)
  if (hypervisor === 'qemu') return findQemuGuest(word)
  throw new VmsiftError(
    'not-supported',
    `${hypervisor} guests are not supported yet: ${path}; take a snapshot and give its file`,
    { detail: { path } },
  )
}

function refuseImageOptions(path: string, { format, base }: TargetOptions): void {
  if (format === undefined && base === undefined) return
  const option = format === undefined ? 'base' : 'format'
  throw new VmsiftError('bad-argument', `${option} is for image files; ${path} is a running guest`)
}

async function askMonitor(
  link: MonitorLink,
): Promise<{ readonly sections: readonly MemorySection[]; readonly facts: MachineFacts }> {
  using share = await link.share()
  const { monitor } = share
  return { sections: await memorySections(monitor), facts: await machineFacts(monitor) }
}

class QemuTarget extends BaseTarget implements LiveTarget {
  override readonly live = true
  readonly access: LiveAccess
  readonly mapped: boolean
  readonly vcpus: number | undefined
  readonly guest: QemuGuest
  readonly link: MonitorLink

  constructor(path: string, guest: QemuGuest, link: MonitorLink, plan: LivePlan, facts: MachineFacts) {
    super({
      path,
      format: 'qemu',
      live: true,
      writable: true,
      architecture: facts.architecture,
      space: 'physical',
      notes: { cpus: [] },
      warnings: plan.warnings,
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
