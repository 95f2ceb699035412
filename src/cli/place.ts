/** Addresses as a user gives them: physical, virtual in one of several spaces, or a symbol. */
import { type Command, Option } from 'commander'
import { VmsiftError } from '../core/errors.js'
import type { Space } from '../introspect/linux-guest.js'
import type { SystemGuest } from '../introspect/open.js'
import { parseAddress, parseVirtualAddress } from './numbers.js'
import { parsePid } from './pid-option.js'

export interface SpaceOptions {
  readonly pid?: string
  readonly kernel?: boolean
  readonly dtb?: string
}

/** Adds `--pid`, `--kernel` and `--dtb`, of which at most one may be given. */
export function addSpaceOptions(command: Command): Command {
  return command
    .addOption(new Option('--pid <pid>', 'the address is one of this process').conflicts(['kernel', 'dtb']))
    .addOption(new Option('--kernel', "the address is one of the kernel's").conflicts('dtb'))
    .option('--dtb <address>', 'the address is translated by the page table at this physical address')
}

/** The space that the options name; undefined when they name none. */
export function spaceOf(options: SpaceOptions): Exclude<Space, { kind: 'physical' }> | undefined {
  if (options.pid !== undefined) return { kind: 'process', pid: parsePid(options.pid) }
  if (options.dtb !== undefined) return { kind: 'dtb', dtb: parseAddress(options.dtb, '--dtb') }
  return options.kernel === true ? { kind: 'kernel' } : undefined
}

const SYMBOL = /^[a-z_.$][\w.$]*$/i

/** Whether a word names a symbol, with or without an offset. */
export function namesSymbol(word: string): boolean {
  return SYMBOL.test(word.split('+', 1)[0] ?? '')
}

/**
 * A virtual address: a number, a symbol, or `symbol+offset`.
 * @throws VmsiftError `bad-argument` for a symbol that the kernel does not have.
 */
export function virtualAddress(word: string, guest: SystemGuest): bigint {
  const [, name, offset] = /^([^+]+)\+(.+)$/.exec(word) ?? [undefined, word, undefined]
  if (name === undefined || !namesSymbol(name)) return parseVirtualAddress(word, 'the address')
  const address = guest.addressOf(name)
  if (address === undefined)
    throw new VmsiftError('bad-argument', `the kernel has no symbol ${name}; vmsift symbols lists them`, {
      detail: { name },
    })
  return address + (offset === undefined ? 0n : parseVirtualAddress(offset, 'the offset'))
}
