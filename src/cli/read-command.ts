/** `vmsift read`: the bytes at an address. */
import { setImmediate } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import type { Target } from '../coordinator/target.js'
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import { findRun } from '../core/runs.js'
import type { VirtualMemory } from '../core/virtual-memory.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { addGuestOptions, type GuestOptions, withGuest } from './guest-options.js'
import { NUMBERS_HELP } from './help.js'
import { type Interrupt, watchInterrupts } from './interrupt.js'
import { parseAddress, parseLength } from './numbers.js'
import { type Output, outputFor } from './output.js'
import { addSpaceOptions, namesSymbol, type SpaceOptions, spaceOf, virtualAddress } from './place.js'
import { type ByteRenderer, chooseByteRenderer, type Missing } from './read-renderers.js'
import { openOptions } from './targets.js'
import { tell } from './tell.js'
import { formatBytes } from './units.js'

interface ReadOptions extends GuestOptions, SpaceOptions {
  readonly length?: string
  readonly raw?: boolean
}

const DEFAULT_LENGTH = 256
const PIECE_BYTES = 256 * 1024

const HELP = `${NUMBERS_HELP}
ADDRESS is guest physical; with --pid, --kernel or --dtb it is virtual; a kernel symbol, or symbol+offset, is virtual as
well. Physical reading ends where memory ends. Bytes that are not there are shown as a gap (zeros with --raw and in
"data", with "gaps" naming them), and the exit code is then 3.

Examples:
  vmsift read memory.lime 0x1f3000
  vmsift read memory.lime 16M --length 1M --raw > part.bin
  vmsift read memory.lime 0x1f3000 --length 16 --json
  vmsift read memory.lime linux_banner
  vmsift read memory.lime 0x7ffd2f000000 --pid 1 --length 4K`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addSpaceOptions(addGuestOptions(command))
    .description('Print the bytes at an address, physical or virtual, as a hexdump.')
    .option('-l, --length <n>', `bytes to read (default ${DEFAULT_LENGTH})`)
    .addOption(new Option('--raw', 'the bytes themselves').conflicts('json'))
    .addHelpText('after', HELP)
    .action((path: string, address: string, options: ReadOptions) =>
      run(() => readCommand(path, address, options)),
    )
}

async function readCommand(path: string, word: string, options: ReadOptions): Promise<number> {
  const length = options.length === undefined ? DEFAULT_LENGTH : parseLength(options.length, '--length')
  using interrupt = watchInterrupts()
  const space = spaceOf(options) ?? (namesSymbol(word) ? ({ kind: 'kernel' } as const) : undefined)
  if (space !== undefined)
    return withGuest(path, options, async guest => {
      const start = virtualAddress(word, guest)
      return readVirtual(guest.reader(space).memory, start, length, options, interrupt)
    })
  const opening = openOptions(path, options)
  const address = parseAddress(word, 'the address')
  const { openTargetAtGuestBase } = await import('../coordinator/guest-base.js')
  using target = await openTargetAtGuestBase(path, opening)
  const there = bytesThere(target, address, length)
  const output = outputFor(undefined)
  const renderer = chooseByteRenderer(options, BigInt(address), there, 'pa')
  const gaps = await copyOut(target, address, there, renderer, output, interrupt.signal)
  if (interrupt.exitCode !== undefined) {
    await output.end()
    return interrupt.exitCode
  }
  await output.write(renderer.end(gaps))
  await output.end()
  return outcome(address, length, there, gaps)
}

/** How many of `length` bytes lie in the run that holds `address`. */
function bytesThere(target: Target, address: number, length: number): number {
  if (target.space === 'virtual')
    throw new VmsiftError('out-of-range', `${target.path} holds no physical memory; give --kernel`)
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
): Promise<Missing[]> {
  const gaps: Missing[] = []
  let done = 0
  while (done < length && !signal.aborted) {
    // Writing to a file is synchronous: without a turn of the event loop Ctrl-C would go unheard.
    await setImmediate()
    const gpa = address + done
    const { bytes, stop } = target.memory.window(gpa, Math.min(PIECE_BYTES, length - done))
    if (bytes.length > 0) await renderer.bytes(output, bytes, BigInt(gpa))
    done += bytes.length
    if (stop === undefined) continue
    const missing = Math.min(stop.length, length - done)
    const gap = { address: BigInt(gpa + bytes.length), length: missing, reason: stop.reason }
    addGap(gaps, gap)
    await renderer.gap(output, gap)
    done += missing
  }
  return gaps
}

/** Prints `length` bytes of a virtual space; what is absent is a gap. */
async function readVirtual(
  space: VirtualMemory,
  start: bigint,
  length: number,
  options: ReadOptions,
  interrupt: Interrupt,
): Promise<number> {
  const output = outputFor(undefined)
  const renderer = chooseByteRenderer(options, start, length, 'va')
  const gaps: Missing[] = []
  for (let done = 0; done < length && !interrupt.signal.aborted; done += PIECE_BYTES) {
    await setImmediate()
    const address = start + BigInt(done)
    const { bytes, absent } = space.read(address, Math.min(PIECE_BYTES, length - done))
    let at = 0
    for (const { va, length, reason, gap } of absent) {
      const from = Number(va - address)
      if (from > at) await renderer.bytes(output, bytes.subarray(at, from), address + BigInt(at))
      const missing = { address: va, length, reason: gap ?? reason }
      addGap(gaps, missing)
      await renderer.gap(output, missing)
      at = from + length
    }
    if (at < bytes.length) await renderer.bytes(output, bytes.subarray(at), address + BigInt(at))
  }
  if (interrupt.exitCode === undefined) await output.write(renderer.end(gaps))
  await output.end()
  return interrupt.exitCode ?? outcome(0, length, length, gaps)
}

function addGap(gaps: Missing[], gap: Missing): void {
  const last = gaps.at(-1)
  if (last !== undefined && last.address + BigInt(last.length) === gap.address && last.reason === gap.reason)
    gaps[gaps.length - 1] = { ...last, length: last.length + gap.length }
  else gaps.push(gap)
}

function outcome(address: number, length: number, there: number, gaps: readonly Missing[]): number {
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
