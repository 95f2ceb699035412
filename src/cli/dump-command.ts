/** `vmsift dump`: an image's memory in another format. */
import { extname } from 'node:path'
import { type Command, Option } from 'commander'
import { isLive } from '../coordinator/live.js'
import type { Target } from '../coordinator/target.js'
import { VERSION } from '../coordinator/version.js'
import { hex } from '../core/address.js'
import type { Architecture } from '../core/architecture.js'
import { VmsiftError } from '../core/errors.js'
import { EXPECTED_GAPS, type Gap } from '../core/memory.js'
import type { DumpFormat, DumpResult } from '../export/dump.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { NUMBERS_HELP } from './help.js'
import { watchInterrupts } from './interrupt.js'
import { outputFor } from './output.js'
import { type ProgressOptions, type ProgressView, progressView } from './progress.js'
import { refuseOverwrite } from './same-file.js'
import { line } from './scan-json.js'
import { addTargetOptions, openOptions, type TargetOptions } from './targets.js'
import { tell } from './tell.js'
import { formatBytes, formatSeconds, plural } from './units.js'

interface DumpOptions extends TargetOptions, ProgressOptions {
  readonly output: string
  readonly outputFormat?: DumpFormat
  readonly force?: boolean
  readonly json?: boolean
}

const FORMATS: readonly DumpFormat[] = ['raw', 'lime', 'elf']
const BY_ENDING: Readonly<Record<string, DumpFormat>> = {
  '.raw': 'raw',
  '.img': 'raw',
  '.bin': 'raw',
  '.lime': 'lime',
  '.elf': 'elf',
  '.core': 'elf',
  '.vmcore': 'elf',
}

const HELP = `${NUMBERS_HELP}

raw   the file offset is the guest physical address; holes between ranges become holes in the file
lime  LiME version 1, one header a range
elf   ELF64 core, one segment a range, with VMCOREINFO where the source has it
Without --output-format the file's ending decides: .raw .img .bin, .lime, .elf .core .vmcore; anything else is
lime. Zeros take no room on disk. Memory that the source doesn't hold is left out (raw: zeros) and told.
The file appears under its name only when it is whole.

Examples:
  vmsift dump memory.kdump -o memory.lime
  vmsift dump memory.lime -o memory.vmcore
  vmsift dump memory.avml -o memory.img --output-format raw --force`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addTargetOptions(command)
    .description("Write an image's memory to another file: raw, LiME or ELF core.")
    .requiredOption('-o, --output <file>', 'file to write')
    .addOption(new Option('--output-format <name>', "instead of by the file's ending").choices(FORMATS))
    .option('-f, --force', 'replace the file if it exists')
    .option('--json', 'gaps and the summary as JSON, one object a line')
    .option('-q, --quiet', 'no progress or warnings')
    .option('--progress', 'progress on stderr even when it is no terminal')
    .addHelpText('after', HELP)
    .action((path: string, options: DumpOptions) => run(() => dumpCommand(path, options)))
}

async function dumpCommand(path: string, options: DumpOptions): Promise<number> {
  const opening = openOptions(path, options)
  if (options.output === '' || options.output === '-')
    throw new VmsiftError('bad-argument', 'dump writes at offsets and needs a file: give its path with -o')
  const format = options.outputFormat ?? BY_ENDING[extname(options.output).toLowerCase()] ?? 'lime'
  using interrupt = watchInterrupts()
  const [{ openTargetAtGuestBase }, { dumpMemory }] = await Promise.all([
    import('../coordinator/guest-base.js'),
    import('../export/dump.js'),
  ])
  using target = await openTargetAtGuestBase(path, opening)
  if (target.space === 'virtual')
    throw new VmsiftError('bad-argument', `${path} holds no physical memory that could be dumped`)
  await refuseOverwrite(options.output, [path], '-o')
  if (options.quiet !== true) target.warnings.forEach(tell)
  const started = new Date()
  const view = progressView(options)
  const result = await dumpMemory(target.memory, {
    path: options.output,
    format,
    replace: options.force === true,
    facts: { architecture: await architectureOf(target), vmcoreinfo: target.notes.vmcoreinfo },
    signal: interrupt.signal,
    onProgress: progressMeter(view, target.bytes),
  }).finally(() => view?.hide())
  if (result === undefined) {
    tell(`interrupted; ${options.output} was not written`)
    return interrupt.exitCode ?? EXIT.interrupted
  }
  await printSummary(target, options, format, started, result)
  return outcome(result.gaps, format)
}

async function architectureOf(target: Target): Promise<Architecture | undefined> {
  if (!isLive(target)) return target.architecture
  // loaded when needed: images need none of it
  const { liveArchitecture } = await import('../coordinator/live-architecture.js')
  return liveArchitecture(target)
}

/** A callback for each piece that updates `view` no more often than it wants. */
function progressMeter(view: ProgressView | undefined, bytesTotal: number): (bytesDone: number) => void {
  if (view === undefined) return () => {}
  const start = performance.now()
  let shown = start
  return bytesDone => {
    const now = performance.now()
    if (now - shown < view.seconds * 1000) return
    shown = now
    const rate = (bytesDone / (now - start)) * 1000
    view.update({
      bytesTotal,
      bytesDone,
      rate,
      ...(rate > 0 && { secondsLeft: (bytesTotal - bytesDone) / rate }),
    })
  }
}

async function printSummary(
  target: Target,
  options: DumpOptions,
  format: DumpFormat,
  started: Date,
  result: DumpResult,
): Promise<void> {
  const seconds = (Date.now() - started.getTime()) / 1000
  const bytesUnread = sum(result.gaps)
  const output = outputFor(undefined)
  if (options.json === true) {
    for (const gap of result.gaps)
      await output.write(line({ type: 'gap', pa: hex(gap.gpa), length: gap.length, reason: gap.reason }))
    await output.write(
      line({
        type: 'summary',
        target: target.path,
        output: options.output,
        outputFormat: format,
        ranges: result.ranges,
        fileBytes: result.fileBytes,
        bytesTotal: target.bytes,
        bytesWritten: target.bytes - bytesUnread,
        bytesUnread,
        bytesFailed: sum(failures(result.gaps)),
        seconds,
        complete: true,
        version: VERSION,
        startTime: started.toISOString(),
      }),
    )
  } else {
    const ranges = plural(result.ranges, 'range')
    const written = formatBytes(target.bytes - bytesUnread)
    await output.write(`${written} in ${ranges} written as ${format} in ${formatSeconds(seconds)}\n`)
  }
  await output.end()
}

/** Tells what is missing in one line and returns the exit code. */
function outcome(gaps: readonly Gap[], format: DumpFormat): number {
  if (gaps.length === 0) return EXIT.done
  const reasons = [...new Set(gaps.map(gap => gap.reason))].join(', ')
  const instead = format === 'raw' ? 'are zeros in the file' : 'were left out'
  tell(`${sum(gaps)} bytes (${formatBytes(sum(gaps))}) are not in the source and ${instead} (${reasons})`)
  return failures(gaps).length === 0 ? EXIT.done : EXIT.unread
}

function failures(gaps: readonly Gap[]): Gap[] {
  return gaps.filter(gap => !EXPECTED_GAPS.has(gap.reason))
}

function sum(gaps: readonly Gap[]): number {
  return gaps.reduce((bytes, gap) => bytes + gap.length, 0)
}
