/** `npm run lab`: boots a guest, prints its truth and writes its memory in the formats asked for. */
import { mkdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { labAvailable } from './available.js'
import { ALL_DUMP_FORMATS, type DumpFormat, dumpFileName } from './dump.js'
import { bootLabGuest, type LabGuest } from './guest.js'
import { DEFAULT_KERNEL, fetchKernel } from './kernel.js'
import { isGuestArchitecture, MACHINES } from './machine.js'
import { saveTruth } from './truth-files.js'

const HELP = `npm run lab -- [options]

Boots a Debian kernel under QEMU, plants markers in its memory, and dumps it.

  --out DIR          where the dumps and truth.json go (default: /tmp/lab/guest<MEMORY>)
  --memory MIB       guest memory (default 256)
  --formats LIST     comma-separated, or "all" (default): ${ALL_DUMP_FORMATS.join(' ')}
  --machine TYPE     QEMU machine: pc (default), q35
  --cpu MODEL        QEMU CPU model (default qemu64)
  --append TEXT      added to the kernel's command line
  --huge-pages N     2 MiB pages reserved for boundary markers
  --fill DIR         fill memory with files from DIR, a third of its size
  --shell COMMAND    run in the guest before the dump (repeatable)
  --no-kallsyms      don't print the guest's kernel symbols
  --suite NAME       Debian release the kernel comes from (default bookworm)
  --package NAME     its kernel package (default linux-image-cloud-amd64)
  --refresh          fetch the newest kernel package
  --keep-running     leave the guest running until Ctrl-C
`

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    memory: { type: 'string', default: '256' },
    formats: { type: 'string', default: 'all' },
    machine: { type: 'string' },
    cpu: { type: 'string' },
    append: { type: 'string', default: '' },
    'huge-pages': { type: 'string' },
    fill: { type: 'string' },
    shell: { type: 'string', multiple: true, default: [] },
    rich: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
    'no-kallsyms': { type: 'boolean', default: false },
    suite: { type: 'string', default: DEFAULT_KERNEL.suite },
    arch: { type: 'string', default: DEFAULT_KERNEL.architecture },
    package: { type: 'string', default: DEFAULT_KERNEL.packageName },
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
  if (!isGuestArchitecture(values.arch)) {
    process.stderr.write(`lab: --arch is one of ${Object.keys(MACHINES).join(', ')}\n`)
    return 2
  }
  const memoryMb = Number(values.memory)
  if (!Number.isInteger(memoryMb) || memoryMb < 64) {
    process.stderr.write('lab: --memory is a number of MiB, at least 64\n')
    return 2
  }
  const out = resolve(values.out ?? `/tmp/lab/guest${memoryMb}`)
  await mkdir(out, { recursive: true })
  const started = Date.now()
  await using guest = await bootLabGuest({
    memoryMb,
    ...(values.machine === undefined ? {} : { machine: values.machine }),
    ...(values.cpu === undefined ? {} : { cpu: values.cpu }),
    timeoutMs: 400_000,
    cmdline: values.append,
    kernel: await fetchKernel(
      { suite: values.suite, architecture: values.arch, packageName: values.package },
      values.refresh,
    ),
    ...(values.fill === undefined
      ? {}
      : { fill: { directory: values.fill, bytes: memoryMb * FILL_SHARE * (1 << 20) } }),
    rich: values.rich,
    busy: values.busy,
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
