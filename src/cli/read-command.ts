/** `vmsift read`: the bytes at an address. */
import { setImmediate } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { Target } from '../coordinator/target.js'
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { Gap, GapReason } from '../core/memory.js'
import { findRun } from '../core/runs.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { NUMBERS_HELP } from './help.js'
import { watchInterrupts } from './interrupt.js'
import { parseAddress, parseLength } from './numbers.js'
import { type Output, outputFor } from './output.js'
import { type ByteRenderer, chooseByteRenderer } from './read-renderers.js'
import { addTargetOptions, openOptions, type TargetOptions } from './targets.js'
import { tell } from './tell.js'
import { formatBytes } from './units.js'

interface ReadOptions extends TargetOptions {
  readonly length?: string
  readonly raw?: boolean
  readonly json?: boolean
  readonly pid?: string
  readonly kernel?: boolean
  readonly dtb?: string
}

const DEFAULT_LENGTH = 256
const PIECE_BYTES = 256 * 1024

const HELP = `${NUMBERS_HELP}
ADDRESS is guest physical. Reading ends where memory ends; bytes that the image does not hold are shown as a gap
(zeros with --raw and in "data", with "gaps" naming them), and the exit code is then 3.

Examples:
  vmsift read memory.lime 0x1f3000
  vmsift read memory.lime 16M --length 1M --raw > part.bin
  vmsift read memory.lime 0x1f3000 --length 16 --json`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addTargetOptions(command)
    .description('Print the bytes at a guest physical address as a hexdump.')
    .option('-l, --length <n>', `bytes to read (default ${DEFAULT_LENGTH})`)
    .addOption(new Option('--raw', 'the bytes themselves').conflicts('json'))
    .option('--json', 'one JSON object: address, length, data')
    .addOption(new Option('--pid <pid>').hideHelp())
    .addOption(new Option('--kernel').hideHelp())
    .addOption(new Option('--dtb <address>').hideHelp())
    .addHelpText('after', HELP)
    .action((path: string, address: string, options: ReadOptions) =>
      run(() => readCommand(path, address, options)),
    )
}

async function readCommand(path: string, word: string, options: ReadOptions): Promise<number> {
  const opening = openOptions(path, options)
  const address = physicalAddress(word, options)
  const length = options.length === undefined ? DEFAULT_LENGTH : parseLength(options.length, '--length')
  using interrupt = watchInterrupts()
  const { openTarget } = await import('../coordinator/target.js')
  using target = await openTarget(path, opening)
  const there = bytesThere(target, address, length)
  const output = outputFor(undefined)
  const renderer = chooseByteRenderer(options, address, there)
  const gaps = await copyOut(target, address, there, renderer, output, interrupt.signal)
  if (interrupt.exitCode !== undefined) {
    await output.end()
    return interrupt.exitCode
  }
  await output.write(renderer.end(gaps))
  await output.end()
  return outcome(address, length, there, gaps)
}

function physicalAddress(word: string, options: ReadOptions): number {
  for (const [option, given] of [
    ['--pid', options.pid],
    ['--kernel', options.kernel],
    ['--dtb', options.dtb],
  ])
    if (given !== undefined)
      throw new VmsiftError(
        'not-supported',
        `${option} is not supported yet for read; give a physical address without it`,
      )
  if (/^[a-z_][\w.]*$/i.test(word))
    throw new VmsiftError(
      'not-supported',
      `symbol names are not supported yet for read: '${word}'; give a physical address such as 0x1f3000`,
    )
  return parseAddress(word, 'the address')
}

/** How many of `length` bytes lie in the run that holds `address`. */
function bytesThere(target: Target, address: number, length: number): number {
  const run = target.runs[findRun(target.runs, address)]
  if (run !== undefined) return Math.min(length, run.gpa + run.length - address)
  const next = target.runs.find(candidate => candidate.gpa > address)
  const hint =
    next === undefined ? `memory ends at ${hex(target.maxAddress)}` : `the next memory is at ${hex(next.gpa)}`
  throw new VmsiftError('out-of-range', `no memory at ${hex(address)}; ${hint}`, { detail: { address } })
}

async function copyOut(
  target: Target,
  address: number,
  length: number,
  renderer: ByteRenderer,
  output: Output,
  signal: AbortSignal,
): Promise<Gap[]> {
  const gaps: Gap[] = []
  let done = 0
  while (done < length && !signal.aborted) {
    // Writing to a file is synchronous: without a turn of the event loop Ctrl-C would go unheard.
    await setImmediate()
    const gpa = address + done
    const { bytes, stop } = target.memory.window(gpa, Math.min(PIECE_BYTES, length - done))
    if (bytes.length > 0) await renderer.bytes(output, bytes, gpa)
    done += bytes.length
    if (stop === undefined) continue
    const missing = Math.min(stop.length, length - done)
    addGap(gaps, gpa + bytes.length, missing, stop.reason)
    await renderer.gap(output, { gpa: gpa + bytes.length, length: missing, reason: stop.reason })
    done += missing
  }
  return gaps
}

function addGap(gaps: Gap[], gpa: number, length: number, reason: GapReason): void {
  const last = gaps.at(-1)
  if (last !== undefined && last.gpa + last.length === gpa && last.reason === reason)
    gaps[gaps.length - 1] = { ...last, length: last.length + length }
  else gaps.push({ gpa, length, reason })
}

function outcome(address: number, length: number, there: number, gaps: readonly Gap[]): number {
  const parts: string[] = []
  if (there < length)
    parts.push(`memory ends at ${hex(address + there)}, ${formatBytes(length - there)} early`)
  const missing = gaps.reduce((sum, gap) => sum + gap.length, 0)
  const reasons = [...new Set(gaps.map(gap => gap.reason))]
  if (missing > 0) parts.push(`${missing} bytes could not be read (${reasons.join(', ')})`)
  if (parts.length === 0) return EXIT.done
  tell(parts.join('; '))
  return EXIT.unread
}
