#!/usr/bin/env node
/**
 * The command line. Start-up time is part of every scan: only commander and the chosen command's module are loaded here.
 */
import { COMMANDS } from './commands.js'
import { EXIT } from './exit-codes.js'

const chosen = COMMANDS.find(entry => entry.name === firstWord(process.argv.slice(2)))
// Both at once: reading the modules overlaps.
const [{ buildProgram, report }, definition] = await Promise.all([import('./program.js'), chosen?.load()])

let code: number = EXIT.done
try {
  // A closed stderr is no reason to fail.
  process.stderr.on('error', () => {})
  code = await buildProgram(chosen, definition?.define)(process.argv.slice(2))
} catch (error) {
  code = report(error)
}
// Not by itself: an idle pool or a half-read pipe must not hold the process.
process.exit(code)

/** The command's name: the first argument that is no option (no global option takes a value), `help scan` included. */
function firstWord(words: readonly string[]): string | undefined {
  const names = words.filter(word => !word.startsWith('-'))
  return names[0] === 'help' ? names[1] : names[0]
}
