/** `vmsift write`: bytes into a running guest. */
import type { Command } from 'commander'
import type { Target } from '../coordinator/target.js'
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import { isWritable, readInto } from '../core/memory.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { addGuestOptions, type GuestOptions, withGuest } from './guest-options.js'
import { NUMBERS_HELP } from './help.js'
import { parseAddress } from './numbers.js'
import { outputFor } from './output.js'
import { addSpaceOptions, namesSymbol, type SpaceOptions, spaceOf, virtualAddress } from './place.js'
import { hexBytes, line } from './scan-json.js'
import { openOptions } from './targets.js'
import { tell } from './tell.js'
import { plural } from './units.js'

interface WriteOptions extends GuestOptions, SpaceOptions {
  readonly hex: string
  readonly allowWrite?: boolean
}

const MAX_BYTES = 1 << 20

const HELP = `${NUMBERS_HELP}
ADDRESS is guest physical, or virtual with --pid, --kernel or --dtb, or a kernel symbol, as for read. The bytes are read
back afterwards; where they are not there (the guest has changed them already) the exit code is 3. Snapshots are evidence
and are never written to.

A guest that runs may be using what is written: pause it where that matters. Under TCG, QEMU's emulator, code that it
has translated already goes on as it was.

Examples:
  vmsift write qemu:web 0x1f3000 --hex "90 90" --allow-write
  vmsift write qemu:web panic_timeout --hex 0a000000 --allow-write`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addSpaceOptions(addGuestOptions(command))
    .description("Write bytes to a running guest's memory.")
    .requiredOption('--hex <bytes>', 'what to write, as hexadecimal digits; spaces are ignored')
    .option('--allow-write', 'without it nothing is written')
    .addHelpText('after', HELP)
    .action((path: string, address: string, options: WriteOptions) =>
      run(() => writeCommand(path, address, options)),
    )
}

async function writeCommand(path: string, word: string, options: WriteOptions): Promise<number> {
  const bytes = parseHex(options.hex)
  if (options.allowWrite !== true)
    throw new VmsiftError('bad-argument', 'writing changes the guest: say --allow-write if that is meant')
  const space = spaceOf(options) ?? (namesSymbol(word) ? ({ kind: 'kernel' } as const) : undefined)
  if (space !== undefined)
    return withGuest(
      path,
      options,
      async guest => {
        const address = virtualAddress(word, guest)
        const [absent] = guest.writer(space).write(address, bytes)
        if (absent !== undefined)
          throw new VmsiftError(
            'out-of-range',
            `no memory at ${hex(absent.va)} (${absent.reason}): ${bytes.length} bytes at ${hex(address)} were not all written`,
          )
        return outcome(address, bytes, guest.reader(space).memory.read(address, bytes.length).bytes, options)
      },
      { allowWrite: true },
    )
  const { openTarget } = await import('../coordinator/target.js')
  using target = await openTarget(path, { ...openOptions(path, options), allowWrite: true })
  if (options.quiet !== true) target.warnings.forEach(tell)
  const address = parseAddress(word, 'the address')
  return outcome(BigInt(address), bytes, writePhysical(target, address, bytes), options)
}

/** Writes, and returns what stands there then. */
function writePhysical({ memory, path }: Target, address: number, bytes: Uint8Array): Uint8Array {
  if (!isWritable(memory)) throw new VmsiftError('not-supported', `${path} can't be written to`)
  memory.write(address, bytes)
  const there = new Uint8Array(bytes.length)
  readInto(memory, address, there)
  return there
}

async function outcome(
  address: bigint,
  bytes: Uint8Array,
  there: Uint8Array,
  options: WriteOptions,
): Promise<number> {
  const same = Buffer.compare(bytes, there) === 0
  const output = outputFor(undefined)
  if (options.json === true)
    await output.write(
      line({ address: hex(address), length: bytes.length, verified: same, data: hexBytes(there) }),
    )
  else if (same)
    await output.write(`${plural(bytes.length, 'byte')} written at ${hex(address)}, and read back\n`)
  await output.end()
  if (same) return EXIT.done
  tell(
    `written at ${hex(address)}, but other bytes stand there now: the guest has changed them, or it is not plain memory`,
  )
  return EXIT.unread
}

function parseHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '')
  if (digits === '' || digits.length % 2 !== 0 || !/^[0-9a-f]+$/i.test(digits))
    throw new VmsiftError('bad-argument', `--hex takes pairs of hexadecimal digits, not '${text}'`)
  if (digits.length / 2 > MAX_BYTES)
    throw new VmsiftError('bad-argument', `--hex takes at most ${MAX_BYTES} bytes, not ${digits.length / 2}`)
  return Buffer.from(digits, 'hex')
}
