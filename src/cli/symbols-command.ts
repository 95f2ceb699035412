/** `vmsift symbols`: names and addresses of the kernel and its modules. */
import type { Command } from 'commander'
import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { SystemGuest } from '../introspect/open.js'
import type { KernelSymbol } from '../symbols/contract.js'
import type { Run } from './define.js'
import { escapeText } from './escape.js'
import { EXIT } from './exit-codes.js'
import { addGuestOptions, type GuestOptions, withGuest } from './guest-options.js'
import { outputFor } from './output.js'
import { line } from './scan-json.js'
import { tell } from './tell.js'

const HELP = `
All of them (Linux: as /proc/kallsyms prints them; Windows: what the kernel exports, or what the symbol file has), or
those with the given names: exit code 2 when the kernel lacks one of them; the others are printed.

Examples:
  vmsift symbols memory.lime init_task linux_banner
  vmsift symbols memory.lime | grep sys_call
  vmsift symbols memory.lime --json`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addGuestOptions(command)
    .description("List the kernel's symbols, or look some up.")
    .addHelpText('after', HELP)
    .action((path: string, names: string[], options: GuestOptions) =>
      run(() => symbolsCommand(path, names, options)),
    )
}

function symbolsCommand(path: string, names: readonly string[], options: GuestOptions): Promise<number> {
  return withGuest(path, options, async guest => {
    const output = outputFor(undefined)
    const render = options.json === true ? json : row
    const missing: string[] = []
    let none = true
    for (const symbol of names.length === 0 ? guest.symbols() : named(guest, names, missing)) {
      none = false
      const full = output.write(render(symbol))
      if (full !== undefined) await full
    }
    await output.end()
    if (missing.length > 0)
      throw new VmsiftError('bad-argument', `the kernel has no symbol ${missing.join(', ')}`, {
        detail: { missing },
      })
    if (!none) return EXIT.done
    tell("this image does not hold the kernel's symbols; a symbol file has them: --symbols FILE")
    return EXIT.unread
  })
}

function* named(guest: SystemGuest, names: readonly string[], missing: string[]): Generator<KernelSymbol> {
  for (const name of names) {
    const found = guest.symbolsNamed(name)
    if (found.length === 0) missing.push(name)
    yield* found
  }
}

function json({ name, address, type, module }: KernelSymbol): string {
  return line({ name, address: hex(address), type, module })
}

function row({ name, address, type = '?', module }: KernelSymbol): string {
  const from = module === undefined ? '' : `\t[${escapeText(module)}]`
  return `${address.toString(16).padStart(16, '0')} ${escapeText(type)} ${escapeText(name)}${from}\n`
}
