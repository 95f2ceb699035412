/** `npm run lab`: boots a guest, prints its truth and writes its memory in the formats asked for. */
import { mkdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { labAvailable } from './available.js'
import { ALL_DUMP_FORMATS, type DumpFormat, dumpFileName } from './dump.js'
import { bootLabGuest, type LabGuest } from './guest.js'
import { matrixGuest } from './guests.js'
import { DEFAULT_KERNEL, fetchKernel, KERNELS } from './kernel.js'
import { isGuestArchitecture, MACHINES } from './machine.js'
import { saveTruth } from './truth-files.js'

const HELP = `npm run lab -- [options]

Boots a Debian kernel under QEMU, plants markers in its memory, and dumps it.

  --out DIR          where the dumps and truth.json go (default: /tmp/lab/<GUEST>, or guest<MEMORY>)
  --memory MIB       guest memory (default: the guest's, or 256)
  --formats LIST     comma-separated, or "all" (default): ${ALL_DUMP_FORMATS.join(' ')}
  --guest NAME       one of the matrix (npm run test:guests -- --list): its kernel, processor and memory, where no other
                     option says otherwise
  --arch NAME        ${Object.keys(MACHINES).join(' ')} (default amd64); the others need their QEMU and a cross compiler
  --machine TYPE     QEMU machine (default pc, on arm64 virt)
  --cpu MODEL        QEMU CPU model (default qemu64, qemu32, cortex-a57)
  --append TEXT      added to the kernel's command line
  --huge-pages N     2 MiB pages reserved for boundary markers
  --rich             plant more: shared, scattered and swapped pages, sockets, open files, namespaces
  --busy             a process that never leaves user mode: the guest is stopped there
  --fill DIR         fill memory with files from DIR, a third of its size
  --shell COMMAND    run in the guest before the dump (repeatable)
  --no-kallsyms      don't print the guest's kernel symbols
  --suite NAME       Debian release the kernel comes from (default bookworm)
  --package NAME     its kernel package (default linux-image-cloud-amd64, linux-image-686-pae, linux-image-cloud-arm64)
  --refresh          fetch the newest kernel package
  --keep-running     leave the guest running until Ctrl-C
`

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    guest: { type: 'string' },
    memory: { type: 'string' },
    formats: { type: 'string', default: 'all' },
    machine: { type: 'string' },
    cpu: { type: 'string' },
    append: { type: 'string', default: '' },
    'huge-pages': { type: 'string' },
    fill: { type: 'string' },
    shell: { type: 'string', multiple: true, default: [] },
    rich: { type: 'boolean' },
    busy: { type: 'boolean' },
    'no-kallsyms': { type: 'boolean', default: false },
    suite: { type: 'string' },
    arch: { type: 'string' },
    package: { type: 'string' },
    refresh: { type: 'boolean', default: false },
    'keep-running': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** The archive and the files unpacked from it are in memory at once. */
const FILL_SHARE = 0.35

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const lab = await labAvailable()
  if (!lab.ok) {
    process.stderr.write(`lab: can't run here: ${lab.reason}\n`)
    return 2
  }
  const preset = values.guest === undefined ? undefined : matrixGuest(values.guest)
  const { arch = preset?.kernel.architecture ?? DEFAULT_KERNEL.architecture } = values
  if (!isGuestArchitecture(arch)) {
    process.stderr.write(`lab: --arch is one of ${Object.keys(MACHINES).join(', ')}\n`)
    return 2
  }
  const memoryMb = Number(values.memory ?? preset?.options.memoryMb ?? 256)
  if (!Number.isInteger(memoryMb) || memoryMb < 64) {
    process.stderr.write('lab: --memory is a number of MiB, at least 64\n')
    return 2
  }
  const out = resolve(values.out ?? `/tmp/lab/${values.guest ?? `guest${memoryMb}`}`)
  await mkdir(out, { recursive: true })
  const started = Date.now()
  const { suite, packageName } = preset?.kernel ?? KERNELS[arch]
  await using guest = await bootLabGuest({
    ...preset?.options,
    memoryMb,
    ...(values.machine === undefined ? {} : { machine: values.machine }),
    ...(values.cpu === undefined ? {} : { cpu: values.cpu }),
    timeoutMs: 400_000,
    cmdline: values.append,
    kernel: await fetchKernel(
      { suite: values.suite ?? suite, architecture: arch, packageName: values.package ?? packageName },
      values.refresh,
    ),
    ...(values.fill === undefined
      ? {}
      : { fill: { directory: values.fill, bytes: memoryMb * FILL_SHARE * (1 << 20) } }),
    ...(values.rich === undefined ? {} : { rich: values.rich }),
    ...(values.busy === undefined ? {} : { busy: values.busy }),
    ...(values['huge-pages'] === undefined ? {} : { hugePages: Number(values['huge-pages']) }),
  })
  say(`${guest.name}: ${guest.kernel.release}, ${memoryMb} MiB, ${guest.accelerator}`, started)
  for (const command of values.shell) process.stdout.write(`${await guest.shell(command)}\n`)
  await writeTruth(guest, out)
  for (const format of chosenFormats(await guest.formats())) {
    const before = Date.now()
    const path = join(out, dumpFileName(format))
    await guest.dump(format, path)
    const { size, blocks } = await stat(path)
    say(`${path}: ${size} bytes, ${Math.round((blocks * 512) / 1024)} KiB on disk`, before)
  }
  if (values['keep-running']) await waitForever(guest)
  return 0
}

async function writeTruth(guest: LabGuest, out: string): Promise<void> {
  const before = Date.now()
  const truth = await saveTruth(guest, out, !values['no-kallsyms'])
  const physical = truth.markers.filter(marker => marker.segments.length === 1).length
  say(
    `truth: ${truth.markers.length} markers (${physical} physically contiguous), ` +
      `${truth.processes.length} processes, ${truth.modules.length} modules`,
    before,
  )
}

function chosenFormats(available: readonly DumpFormat[]): DumpFormat[] {
  if (values.formats === 'all') return [...available]
  if (values.formats === 'none') return []
  return values.formats.split(',').map(name => {
    const format = available.find(other => other === name)
    if (format === undefined)
      throw new Error(`format ${name} can't be written here; there are: ${available.join(' ')}`)
    return format
  })
}

async function waitForever(guest: LabGuest): Promise<void> {
  await guest.resume()
  process.stdout.write(
    `running: pid ${guest.pid}, qmp ${guest.qmpPath}, memory ${guest.memoryPath}; Ctrl-C ends it\n`,
  )
  await new Promise<never>(() => setInterval(() => undefined, 1 << 30))
}

function say(text: string, since: number): void {
  process.stdout.write(`${text} (${((Date.now() - since) / 1000).toFixed(1)} s)\n`)
}

main().then(
  code => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  },
)
