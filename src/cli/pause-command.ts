/** `vmsift pause`: a running guest is stopped, and stays so. */
import type { Command } from 'commander'
import type { Run } from './define.js'
import { escapeText } from './escape.js'
import { EXIT } from './exit-codes.js'
import { type LiveOptions, printOne, withControl } from './live-options.js'

const HELP = `
The guest stays paused when vmsift has ended; vmsift resume lets it go on.

Examples:
  vmsift pause qemu:web
  vmsift pause qemu:1234 --json`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  command
    .description('Pause a running guest.')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action((target: string, options: LiveOptions) => run(() => pauseCommand(target, options)))
}

function pauseCommand(target: string, options: LiveOptions): Promise<number> {
  return withControl(target, async control => {
    const { running } = await control.state()
    await control.stop()
    const { status } = await control.state()
    const text = `${escapeText(target)} is ${running ? 'paused' : `not running: ${escapeText(status)}`}`
    await printOne({ target, state: status }, text, options)
    return EXIT.done
  })
}
