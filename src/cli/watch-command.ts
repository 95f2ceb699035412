/** `vmsift watch`: what a running guest does, as it does it. */
import { type Command, Option } from 'commander'
import type { Subscription } from 'rxjs'
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { GuestControl } from '../qemu/control.js'
import type { EventRequest, GuestEvent } from '../qemu/events.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { addGuestOptions, type GuestOptions, withGuest } from './guest-options.js'
import { type Interrupt, watchInterrupts } from './interrupt.js'
import { withControl } from './live-options.js'
import { parseCount, parseVirtualAddress } from './numbers.js'
import { type Output, outputFor } from './output.js'
import { namesSymbol, virtualAddress } from './place.js'
import { registerFields } from './register-table.js'
import { line } from './scan-json.js'
import { tell } from './tell.js'
import { plural } from './units.js'

interface WatchOptions extends GuestOptions {
  readonly break: readonly string[]
  readonly watch: readonly string[]
  readonly length: string
  readonly access: 'r' | 'w' | 'rw'
  readonly step?: string
  readonly vcpu?: string
  readonly limit?: string
}

const HELP = `
Through QEMU's gdbstub, which vmsift starts where none runs; a debugger that is connected is never disturbed. Addresses are virtual:
numbers, the kernel's symbols, or symbol+offset. The guest stands still while an event is printed, and goes on. At the end
(--limit, Ctrl-C) every breakpoint is removed, and the guest runs, or is paused as it was before.

Examples:
  vmsift watch qemu:web --break __x64_sys_execve --limit 10
  vmsift watch qemu:web --watch jiffies --length 8 --access w --json
  vmsift watch qemu:web --break 0xffffffff81000000 --step 5 --json
  vmsift watch qemu:web --step 100 --vcpu 1`

const MAX_VCPU = 8191
const SHOWN = ['rip', 'eip', 'pc', 'rsp', 'esp', 'sp', 'cr3', 'ttbr0_el1', 'rax', 'eax', 'x0']

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  const list = (word: string, all: readonly string[]): readonly string[] => [...all, word]
  addGuestOptions(command)
    .description("Print a running guest's events: breakpoints, watchpoints, single steps.")
    .option('--break <address>', 'when the instruction there is about to run, repeatable', list, [])
    .option('--watch <address>', 'when memory there is accessed, repeatable', list, [])
    .option('--length <bytes>', 'how many bytes --watch covers', '8')
    .addOption(
      new Option('--access <kind>', 'which accesses --watch is for').choices(['r', 'w', 'rw']).default('w'),
    )
    .option('--step <n>', 'single steps after each event; without --break and --watch, so many in all')
    .option('--vcpu <n>', 'the processor that --step alone is for (default 0)')
    .option('--limit <n>', 'stop after so many events')
    .addHelpText('after', HELP)
    .action((target: string, options: WatchOptions) => run(() => watchCommand(target, options)))
}

async function watchCommand(target: string, options: WatchOptions): Promise<number> {
  const limit =
    options.limit === undefined ? undefined : parseCount(options.limit, '--limit', 1, Number.MAX_SAFE_INTEGER)
  const { checkEventRequest } = await import('../qemu/events.js')
  const numbers = parseNumbers(options)
  const { request, names } = await resolve(target, options, numbers)
  checkEventRequest(request)
  using interrupt = watchInterrupts()
  return await withControl(target, async control => {
    const { running } = await control.state()
    if (!running && options.quiet !== true)
      tell(`${target} is paused: it runs while it is watched, and is paused again at the end`)
    try {
      const events = await print(control, request, { names, limit, interrupt, options })
      if (options.json !== true && options.quiet !== true) tell(plural(events, 'event', 'events'))
      return interrupt.exitCode ?? EXIT.done
    } catch (error) {
      // what was seen is printed: the guest's end is no mistake of the person's
      if (!(error instanceof VmsiftError && error.code === 'guest-gone')) throw error
      tell(error.message)
      return EXIT.unread
    }
  })
}

interface Numbers {
  readonly steps: number
  readonly vcpu: number
  readonly length: number
}

function parseNumbers(options: WatchOptions): Numbers {
  return {
    steps: options.step === undefined ? 0 : parseCount(options.step, '--step', 1, Number.MAX_SAFE_INTEGER),
    vcpu: options.vcpu === undefined ? 0 : parseCount(options.vcpu, '--vcpu', 0, MAX_VCPU),
    length: parseCount(options.length, '--length', 1, 4096),
  }
}

/** Addresses for words; the guest's kernel is looked for only when one is a symbol. */
async function resolve(
  target: string,
  options: WatchOptions,
  { steps, vcpu, length }: Numbers,
): Promise<{ request: EventRequest; names: ReadonlyMap<bigint, string> }> {
  const words = [...options.break, ...options.watch]
  const addresses = new Map<string, bigint>()
  for (const word of words)
    if (!namesSymbol(word)) addresses.set(word, parseVirtualAddress(word, 'the address'))
  const symbols = words.filter(namesSymbol)
  if (symbols.length > 0)
    await withGuest(target, options, async guest => {
      for (const word of symbols) addresses.set(word, virtualAddress(word, guest))
      return EXIT.done
    })
  const at = (word: string): bigint => addresses.get(word) ?? 0n
  return {
    request: {
      breakpoints: options.break.map(at),
      watchpoints: options.watch.map(word => ({ address: at(word), length, access: options.access })),
      steps,
      vcpu,
    },
    names: new Map(symbols.map(word => [at(word), word])),
  }
}

interface Printing {
  readonly names: ReadonlyMap<bigint, string>
  readonly limit: number | undefined
  readonly interrupt: Interrupt
  readonly options: WatchOptions
}

/** Prints events until they end, the limit is reached, or Ctrl-C; returns how many there were. */
async function print(
  control: GuestControl,
  request: EventRequest,
  { names, limit, interrupt, options }: Printing,
): Promise<number> {
  const [{ guestEvents }, { Subscription: Subscriptions }] = await Promise.all([
    import('../coordinator/guest-events.js'),
    import('rxjs'),
  ])
  const output = outputFor(undefined)
  let events = 0
  const all: Subscription = new Subscriptions()
  await new Promise<void>((done, fail) => {
    const stop = (): void => {
      all.unsubscribe()
      done()
    }
    interrupt.signal.addEventListener('abort', stop, { once: true })
    if (interrupt.signal.aborted) return stop()
    all.add(
      guestEvents(control, request).subscribe({
        next: event => {
          try {
            events++
            show(event, output, options, names)
            if (events === limit) stop()
          } catch (error) {
            all.unsubscribe()
            fail(error)
          }
        },
        error: fail,
        complete: done,
      }),
    )
  })
  await output.end()
  return events
}

/** The guest waits while the reader of our output does. */
function show(
  event: GuestEvent,
  output: Output,
  { json }: WatchOptions,
  names: ReadonlyMap<bigint, string>,
): void {
  const symbol = names.get(event.address)
  const text =
    json === true
      ? line({
          type: 'event',
          kind: event.kind,
          vcpu: event.vcpu,
          address: hex(event.address),
          symbol,
          access: event.access,
          registers: registerFields(event.registers),
        })
      : personal(event, symbol)
  const full = output.write(text)
  if (full === undefined) return
  const held = event.hold()
  void full.then(
    () => held[Symbol.asyncDispose](),
    () => held[Symbol.asyncDispose](),
  )
}

function personal({ kind, vcpu, address, registers }: GuestEvent, symbol: string | undefined): string {
  const shown = SHOWN.flatMap(name => {
    const value = registers[name]
    return value === undefined ? [] : `${name}=${hex(value)}`
  })
  const name = symbol === undefined ? '' : ` ${symbol}`
  return `${kind.padEnd(5)}  vcpu ${vcpu}  ${hex(address)}${name}  ${shown.join(' ')}\n`
}
