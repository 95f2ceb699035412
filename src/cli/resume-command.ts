/** `vmsift resume`: a paused guest goes on. */
import type { Command } from 'commander'
import type { Run } from './define.js'
import { escapeText } from './escape.js'
import { EXIT } from './exit-codes.js'
import { type LiveOptions, printOne, withControl } from './live-options.js'

const HELP = `
Whoever paused it, and whatever was left behind: breakpoints of a vmsift that was killed are removed.

Examples:
  vmsift resume qemu:web`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  command
    .description('Let a paused guest go on.')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action((target: string, options: LiveOptions) => run(() => resumeCommand(target, options)))
}

function resumeCommand(target: string, options: LiveOptions): Promise<number> {
  return withControl(target, async control => {
    await control.resume()
    const { status } = await control.state()
    await printOne({ target, state: status }, `${escapeText(target)} is ${escapeText(status)}`, options)
    return EXIT.done
  })
}
