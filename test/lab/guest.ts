/** Boots a lab guest under QEMU and holds it. */
import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Monitor } from '../../src/qemu/monitor.js'
import { type Accelerator, chooseAccelerator } from './accelerator.js'
import { GuestControl } from './control.js'
import { type DumpFormat, dumpFormats, dumpGuest } from './dump.js'
import type { Fill } from './fill.js'
import { ARM_TABLE_REGISTERS, gdbRegisters } from './gdb-registers.js'
import { buildInitramfs, LAB_MODULES, SWAP_MODULES } from './initramfs.js'
import { fetchKernel, type Kernel } from './kernel.js'
import { MACHINES } from './machine.js'
import { parseMarkers } from './markers.js'
import { type QemuProcess, startQemu } from './qemu-process.js'
import { type QemuRegisters, type QemuTranslation, readRegisters, translations } from './qemu-view.js'
import { connectQmp } from './qmp.js'
import { type GuestTruth, parseTruth } from './truth.js'
import { makeWorkDir } from './work-dir.js'

export type MemoryBackend = 'file' | 'memfd' | 'huge-memfd' | 'anonymous' | 'mixed'

export interface LabOptions {
  readonly memoryMb: number
  /**
   * What is behind the guest's memory; default `file`, shared. `memfd`: shared and sealed. `huge-memfd`: the same of huge pages, which
   * the host must have (huge-pages.ts). `anonymous`: QEMU's own. `mixed`: two NUMA nodes, the first quarter `anonymous`, the rest `memfd`.
   */
  readonly backend?: MemoryBackend
  /** Where the file of the backend `file` lies; default: with the guest's other files, on tmpfs. */
  readonly memoryFolder?: string
  /** Added to the kernel's command line. */
  readonly cmdline?: string
  /** QEMU machine type; default `pc`, on arm64 `virt`. */
  readonly machine?: string
  /** Default on amd64: `qemu64`, which boots without page-table isolation. */
  readonly cpu?: string
  readonly cpus?: number
  /** QEMU's program; default: the one of the kernel's architecture. */
  readonly emulator?: string
  /** 2 MiB pages the guest reserves at boot for the boundary markers; default an eighth of memory, 32 at most. */
  readonly hugePages?: number
  /** Default: KVM where a probe guest boots (amd64 only), else TCG. */
  readonly accelerator?: Accelerator
  readonly kernel?: Kernel
  /** Modules to load, dependencies are added. */
  readonly modules?: readonly string[]
  /** Real files to fill the guest's memory with; it needs about twice their size while it boots. */
  readonly fill?: Fill
  /** A finished initramfs instead of the lab's own; it must answer on the control port as guest/init does. */
  readonly initramfs?: Uint8Array
  /** Milliseconds until the boot is given up; default two minutes. */
  readonly timeoutMs?: number
  /** More to be found: shared and scattered pages, swap, sockets, open files, namespaces (guest/extras.c). */
  readonly rich?: boolean
  /** A process that never leaves user mode: `pause` then stops the guest there. */
  readonly busy?: boolean
  /** More QEMU arguments. */
  readonly qemuArgs?: readonly string[]
  /** Fixed for a reproducible guest; random by default. */
  readonly seed?: bigint
}

/** A running guest. Disposing kills QEMU and removes its files. */
export interface LabGuest extends AsyncDisposable {
  readonly name: string
  /** QEMU's process id. */
  readonly pid: number
  /** A QMP socket that the lab leaves free. */
  readonly qmpPath: string
  /** With the backend `file`: the file, mapped shared: live while the guest runs. */
  readonly memoryPath: string
  readonly memoryBytes: number
  readonly accelerator: Accelerator
  readonly kernel: Kernel
  readonly qmp: Monitor
  /** As of the last `pause` (or the boot). */
  readonly truth: GuestTruth
  /** Runs one line of shell in the guest; hangs while it is paused. */
  shell(command: string): Promise<string>
  /** The guest's /proc/kallsyms. */
  kallsyms(): Promise<string>
  /** Has the guest tell all it knows and stops it: from here to `resume`, `truth` is what stands in its memory. */
  pause(): Promise<GuestTruth>
  resume(): Promise<void>
  /** The first processor's registers. The guest should be paused. */
  registers(): Promise<QemuRegisters>
  /** QEMU's own translation with the tables that the processor has loaded. */
  translate(addresses: readonly bigint[]): Promise<readonly QemuTranslation[]>
  /** The dump formats this QEMU and this machine's tools can write. */
  formats(): Promise<DumpFormat[]>
  /** Writes the paused guest's memory (pauses it if need be). */
  dump(format: DumpFormat, path: string): Promise<void>
  /** Bytes of its physical memory as QEMU's own `pmemsave` writes them. */
  saved(gpa: number, length: number): Promise<Buffer>
  /** Kernel messages so far. */
  serialLog(): Promise<string>
}

const MIB = 1 << 20

/**
 * Boots a guest and returns once its markers are planted and its truth is read.
 * @throws Error with the end of the serial log when the kernel panics, QEMU ends, or the time is over.
 */
export async function bootLabGuest(options: LabOptions): Promise<LabGuest> {
  const kernel = options.kernel ?? (await fetchKernel())
  const initramfs = options.initramfs ?? (await buildInitramfs(kernel, modulesOf(options), options.fill))
  const accelerator =
    options.accelerator ?? (kernel.architecture === 'amd64' ? await chooseAccelerator(kernel) : 'tcg')
  const workDir = await makeWorkDir(backendOf(options) === 'file' ? options.memoryMb * MIB : 0)
  const seed = options.seed ?? randomBytes(8).readBigUInt64LE()
  const files = {
    initrd: join(workDir, 'initramfs'),
    memory: join(options.memoryFolder ?? workDir, 'memory'),
    qmp: join(workDir, 'qmp'),
    labQmp: join(workDir, 'lab-qmp'),
    gdb: join(workDir, 'gdb'),
    control: join(workDir, 'control'),
    serial: join(workDir, 'serial'),
  }
  await writeFile(files.initrd, initramfs)
  const name = `vmsift-lab-${process.pid}-${randomBytes(3).toString('hex')}`
  const args = qemuArguments(options, kernel, accelerator, seed, name, files)
  const qemu = startQemu(options.emulator ?? MACHINES[kernel.architecture].qemu, args, workDir)
  const serialLog = (): Promise<string> => readFile(files.serial, 'utf8').catch(() => '')
  const givenUp = new AbortController()
  try {
    const link = await orFailure(
      openGuest(files, seed, givenUp.signal),
      qemu,
      serialLog,
      options.timeoutMs ?? 120_000,
    )
    return labGuest({ name, qemu, files, options, accelerator, kernel, seed, serialLog, ...link })
  } catch (error) {
    givenUp.abort()
    await qemu.stop()
    throw error
  }
}

function modulesOf({ modules = LAB_MODULES, rich }: LabOptions): readonly string[] {
  return rich ? [...modules, ...SWAP_MODULES] : modules
}

interface GuestFiles {
  readonly initrd: string
  readonly memory: string
  readonly qmp: string
  readonly labQmp: string
  readonly gdb: string
  readonly control: string
  readonly serial: string
}

interface GuestLink {
  readonly qmp: Monitor
  readonly control: GuestControl
  readonly truth: GuestTruth
}

async function openGuest(files: GuestFiles, seed: bigint, signal: AbortSignal): Promise<GuestLink> {
  const control = await GuestControl.connect(files.control, signal)
  const qmp = await connectQmp(files.labQmp, signal)
  await control.ready()
  const truth = await freeze(control, seed)
  await control.thaw()
  return { qmp, control, truth }
}

async function freeze(control: GuestControl, seed: bigint): Promise<GuestTruth> {
  const markers = parseMarkers(await control.shell('marker report'), seed)
  return parseTruth(await control.freeze(), markers)
}

/** The work's result, unless QEMU ends, the kernel panics or the time is over before. */
async function orFailure<T>(
  work: Promise<T>,
  qemu: QemuProcess,
  serialLog: () => Promise<string>,
  timeoutMs: number,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tail = async (): Promise<string> => (await serialLog()).trimEnd().split('\n').slice(-12).join('\n')
  const started = Date.now()
  const failure = new Promise<never>((_, reject) => {
    const look = async (): Promise<void> => {
      if ((await serialLog()).includes('Kernel panic'))
        return reject(new Error(`the lab guest's kernel panicked\n${await tail()}`))
      if (Date.now() - started > timeoutMs)
        return reject(new Error(`the lab guest was not up after ${timeoutMs / 1000} s\n${await tail()}`))
      timer = setTimeout(look, 200)
    }
    void look()
    void qemu.ended.then(async said => reject(new Error(`QEMU ended: ${said}\n${await tail()}`)))
  })
  failure.catch(() => undefined)
  // A connection that breaks is a symptom: the cause, told by the log or by QEMU's end, comes a moment later.
  const result = work.catch(async error => {
    await Promise.race([failure, sleep(1000)])
    throw error
  })
  result.catch(() => undefined)
  try {
    return await Promise.race([result, failure])
  } finally {
    clearTimeout(timer)
  }
}

function qemuArguments(
  options: LabOptions,
  kernel: Kernel,
  accelerator: Accelerator,
  seed: bigint,
  name: string,
  files: GuestFiles,
): string[] {
  const kind = MACHINES[kernel.architecture]
  const { memoryMb, machine = kind.machine, cpu = kind.cpu, cpus = 1 } = options
  const hugePages = options.hugePages ?? Math.min(32, Math.floor(memoryMb / 16))
  const cmdline = [
    `console=${kind.console} quiet panic=-1 init_on_free=1`,
    hugePages > 0 ? `hugepages=${hugePages}` : '',
    `vmsift.seed=${seed.toString(16)}`,
    options.rich ? 'vmsift.rich' : '',
    options.busy ? 'vmsift.busy' : '',
    options.cmdline ?? '',
  ]
  return [
    ...['-name', name, '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-machine', backendOf(options) === 'mixed' ? machine : `${machine},memory-backend=ram`],
    ...['-cpu', cpu, '-smp', String(cpus)],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=single'],
    ...['-m', `${memoryMb}M`],
    ...backendArguments(backendOf(options), memoryMb, files.memory),
    ...['-kernel', kernel.vmlinuz, '-initrd', files.initrd, '-append', cmdline.join(' ')],
    ...['-serial', `file:${files.serial}`],
    ...['-qmp', `unix:${files.qmp},server=on,wait=off`],
    ...['-qmp', `unix:${files.labQmp},server=on,wait=off`],
    ...(kernel.architecture === 'arm64' ? ['-gdb', `unix:${files.gdb},server=on,wait=off`] : []),
    ...['-chardev', `socket,id=lab,path=${files.control},server=on,wait=off`],
    ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=lab,name=vmsift.lab'],
    ...['-device', 'vmcoreinfo'],
    ...(options.qemuArgs ?? []),
  ]
}

function backendOf({ backend = 'file' }: LabOptions): MemoryBackend {
  return backend
}

function backendArguments(backend: MemoryBackend, megabytes: number, path: string): string[] {
  const object = (kind: string, id: string, size: number, more = ''): string[] => [
    '-object',
    `memory-backend-${kind},id=${id},size=${size}M${more}`,
  ]
  if (backend === 'file') return object('file', 'ram', megabytes, `,mem-path=${path},share=on`)
  if (backend === 'memfd') return object('memfd', 'ram', megabytes, ',share=on')
  if (backend === 'huge-memfd')
    return object('memfd', 'ram', megabytes, ',share=on,hugetlb=on,hugetlbsize=2M')
  if (backend === 'anonymous') return object('ram', 'ram', megabytes)
  const quarter = megabytes / 4
  const nodes = [
    ...object('ram', 'low', quarter),
    ...object('memfd', 'high', megabytes - quarter, ',share=on'),
  ]
  return [...nodes, '-numa', 'node,memdev=low', '-numa', 'node,memdev=high']
}

interface GuestParts extends GuestLink {
  readonly name: string
  readonly qemu: QemuProcess
  readonly files: GuestFiles
  readonly options: LabOptions
  readonly accelerator: Accelerator
  readonly kernel: Kernel
  readonly seed: bigint
  serialLog(): Promise<string>
}

function labGuest(parts: GuestParts): LabGuest {
  const { qmp, control, qemu, files, seed } = parts
  let truth = parts.truth
  let paused = false
  const guest: LabGuest = {
    name: parts.name,
    pid: qemu.pid,
    qmpPath: files.qmp,
    memoryPath: files.memory,
    memoryBytes: parts.options.memoryMb * MIB,
    accelerator: parts.accelerator,
    kernel: parts.kernel,
    qmp,
    get truth() {
      return truth
    },
    shell: command => control.shell(command),
    kallsyms: () => control.shell('cat /proc/kallsyms'),
    async pause() {
      if (!paused) {
        truth = await freeze(control, seed)
        await qmp.execute('stop')
        paused = true
        if (parts.options.busy) await stopInUserMode(qmp)
      }
      return truth
    },
    async resume() {
      if (!paused) return
      await qmp.execute('cont')
      await control.thaw()
      paused = false
    },
    async registers() {
      const registers = await readRegisters(qmp)
      if (guest.kernel.architecture !== 'arm64') return registers
      return { ...registers, control: await gdbRegisters(files.gdb, ARM_TABLE_REGISTERS) }
    },
    translate: addresses => translations(qmp, addresses),
    formats: () => dumpFormats(qmp, guest.kernel.architecture),
    async dump(format, path) {
      await guest.pause()
      await rm(path, { force: true })
      await dumpGuest(qmp, format, path, {
        path: files.memory,
        bytes: guest.memoryBytes,
        base: MACHINES[guest.kernel.architecture].memoryBase,
      })
    },
    async saved(gpa, length) {
      const path = join(dirname(files.qmp), 'saved')
      await qmp.execute('pmemsave', { val: gpa, size: length, filename: path }, { timeoutMs: 60_000 })
      try {
        return await readFile(path)
      } finally {
        await rm(path)
      }
    },
    serialLog: parts.serialLog,
    async [Symbol.asyncDispose]() {
      control.close()
      qmp.close()
      await qemu.stop()
    },
  }
  return guest
}

/** Nothing but the busy process has anything to do: most stops find it running. */
async function stopInUserMode(qmp: Monitor): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if ((await readRegisters(qmp)).userMode) return
    await qmp.execute('cont')
    await sleep(2)
    await qmp.execute('stop')
  }
  throw new Error('the lab guest was never seen in user mode')
}
