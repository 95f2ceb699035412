/** `vmsift scan`: patterns in, matches out as they are found. */
import type { Command } from 'commander'
import type { ScanRequest } from '../coordinator/request.js'
import type { Target } from '../coordinator/target.js'
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { ScanEvent, SummaryEvent } from '../scan/events.js'
import { chooseColors } from './colors.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { hashFile } from './hash-file.js'
import { type Interrupt, watchInterrupts } from './interrupt.js'
import { type Output, outputFor } from './output.js'
import { type ProgressView, progressView } from './progress.js'
import { refuseOverwrite } from './same-file.js'
import { JsonRenderer } from './scan-json.js'
import { addScanOptions, type ScanOptions, type ScanSettings, scanSettings } from './scan-options.js'
import { collectPatterns } from './scan-patterns.js'
import type { ScanRenderer } from './scan-renderer.js'
import { TableRenderer } from './scan-table.js'
import { openOptions } from './targets.js'
import { tell } from './tell.js'
import { formatBytes } from './units.js'

/** A broken disk can fail thousands of ranges. */
const TOLD_ERRORS = 3

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addScanOptions(command).action((path: string, options: ScanOptions) =>
    run(() => scanCommand(path, options)),
  )
}

async function scanCommand(path: string, options: ScanOptions): Promise<number> {
  // Loading the engine takes longer than reading the patterns: start it first.
  const engine = Promise.all([import('../coordinator/guest-base.js'), import('../coordinator/scan.js')])
  engine.catch(() => {})
  const opening = openOptions(path, options)
  const settings = scanSettings(options)
  using interrupt = watchInterrupts()
  const patterns = await collectPatterns(options)
  const [{ openTargetAtGuestBase }, { scanBatches }] = await engine
  using target = await openTargetAtGuestBase(path, opening)
  if (options.hash === true && target.live)
    throw new VmsiftError('bad-argument', '--hash is of an image file; a running guest has none')
  if (options.output !== undefined) await refuseOverwrite(options.output, inputsOf(path, options), '--output')
  if (options.quiet !== true) target.warnings.forEach(tell)

  await using hash = options.hash === true ? hashFile(path, interrupt.signal) : undefined
  const view = progressView(options)
  const output = outputFor(options.output, () => view?.hide())
  const request: ScanRequest = {
    ...settings,
    patterns,
    signal: interrupt.signal,
    ...(view !== undefined && { progressSeconds: view.seconds }),
    ...(options.quiet !== true && { onHint: tell }),
  }
  const renderer = await chooseRenderer(options, settings, target)
  const summary = await deliver(scanBatches(target, request), renderer, output, view)
  const sha256 = await digestOf(hash)
  await output.write(await renderer.summary(summary, sha256))
  await output.end()
  if (options.output !== undefined && options.json !== true && options.quiet !== true)
    tell(`${summary.matches} matches, written to ${options.output}`)
  return exitCode(summary, interrupt)
}

async function chooseRenderer(
  options: ScanOptions,
  settings: ScanSettings,
  target: Target,
): Promise<ScanRenderer> {
  if (options.json === true) return new JsonRenderer()
  const colors = await chooseColors(options.output === undefined)
  return new TableRenderer(colors, settings.contextBytes ?? 0, target.runs)
}

/** Prints events as they come and returns the last one, the summary, unprinted. */
async function deliver(
  batches: AsyncIterable<Iterable<ScanEvent>>,
  renderer: ScanRenderer,
  output: Output,
  view: ProgressView | undefined,
): Promise<SummaryEvent> {
  let summary: SummaryEvent | undefined
  let errors = 0
  try {
    for await (const events of batches)
      for (const event of events) {
        if (event.type === 'summary') summary = event
        else if (event.type === 'progress') {
          output.check()
          view?.update(event)
        } else if (event.type === 'error') {
          view?.hide()
          if (++errors <= TOLD_ERRORS)
            tell(
              `${formatBytes(event.length)} at ${hex(event.gpa)} could not be scanned: ${event.error.message}`,
            )
        } else {
          const full = output.write(renderer.event(event))
          if (full !== undefined) await full
        }
      }
  } finally {
    view?.hide()
  }
  if (errors > TOLD_ERRORS)
    tell(`${errors - TOLD_ERRORS} more ranges could not be scanned; --json names each`)
  if (summary === undefined) throw new Error('the scan ended without a summary')
  return summary
}

async function digestOf(hash: ReturnType<typeof hashFile> | undefined): Promise<string | undefined> {
  try {
    return await hash?.digest
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error))
    return undefined
  }
}

function exitCode(summary: SummaryEvent, interrupt: Interrupt): number {
  if (summary.bytesFailed > 0)
    tell(`${summary.bytesFailed} bytes (${formatBytes(summary.bytesFailed)}) of memory could not be read`)
  if (summary.ended !== undefined)
    tell(`${summary.ended.message}${summary.complete ? '' : '; what was found until then is told'}`)
  if (interrupt.exitCode !== undefined) return interrupt.exitCode
  if (summary.bytesFailed > 0 || summary.ended !== undefined) return EXIT.unread
  return summary.matches + summary.rules > 0 ? EXIT.done : EXIT.nothing
}

function inputsOf(path: string, options: ScanOptions): string[] {
  return [path, ...(options.patterns ?? []), ...(options.yara ?? [])]
}
