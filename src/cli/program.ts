/** The command line as commander sees it, and what becomes of errors. */
import { Command, CommanderError } from 'commander'
import { VERSION } from '../coordinator/version.js'
import { VmsiftError } from '../core/errors.js'
import { COMMANDS, type CommandEntry } from './commands.js'
import type { Define, Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { TOP_HELP } from './help.js'
import { OutputClosed } from './output.js'
import { tell } from './tell.js'

/** Builds the parser; the function returned runs a command line (without node and script) and resolves to its exit code. */
export function buildProgram(
  chosen: CommandEntry | undefined,
  define: Define | undefined,
): (words: readonly string[]) => Promise<number> {
  let code: number = EXIT.done
  const run = async (work: Run) => {
    code = await work()
  }
  const program = new Command('vmsift')
    .description("Look inside a virtual machine from outside it: scan a guest's whole memory in parallel.")
    .usage('<command> <target> [arguments] [options]')
    .version(VERSION, '-V, --version', "print vmsift's version")
    .helpOption('-h, --help', 'explain vmsift, or a command')
    .helpCommand('help [command]', 'explain a command')
    .addHelpText('after', TOP_HELP)
    .showSuggestionAfterError(true)
    // The one line of an error is written by `report`.
    .configureOutput({ outputError: () => {} })
    .exitOverride()
  for (const entry of COMMANDS) {
    const command = program.command(`${entry.name} ${entry.arguments}`.trimEnd()).summary(entry.summary)
    if (entry === chosen) define?.(command, run)
  }
  return async words => {
    if (words.length === 0) {
      program.outputHelp()
      throw new VmsiftError('bad-argument', 'no command given; start with: vmsift info FILE')
    }
    await program.parseAsync(words, { from: 'user' })
    return code
  }
}

/** Tells an error in one line on stderr and returns the exit code. `VMSIFT_DEBUG=1` adds the stack. */
export function report(error: unknown): number {
  if (error instanceof OutputClosed) return EXIT.done
  if (error instanceof CommanderError) {
    // Help and version come as errors too.
    if (error.exitCode === 0) return EXIT.done
    const topic = COMMANDS.find(entry => process.argv.includes(entry.name))?.name
    const message = error.message.replace(/^error: /, '').replace(/\.$/, '')
    tell(`${message}; see vmsift ${topic === undefined ? '' : `${topic} `}--help`)
    return EXIT.usage
  }
  const message = error instanceof Error ? error.message : String(error)
  tell(error instanceof VmsiftError ? message : `internal error: ${message}; VMSIFT_DEBUG=1 shows where`)
  if (process.env.VMSIFT_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return EXIT.usage
}
