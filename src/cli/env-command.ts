/** `vmsift env`: the environment of a process. */
import type { LinuxGuest } from '../introspect/linux-guest.js'
import type { Listing } from '../os/problem.js'
import { listCommand } from './list-command.js'
import { addPidOption, type PidOptions, parsePid } from './pid-option.js'

const HELP = `
As /proc/PID/environ: what the process was started with, unless it wrote over it.

Examples:
  vmsift env memory.lime --pid 1`

export const define = listCommand<string, PidOptions>({
  description: 'Print the environment of a process.',
  help: HELP,
  options: addPidOption,
  list: (guest, { pid }) => variables(guest, parsePid(pid)),
  json: variable => {
    const at = variable.indexOf('=')
    return at < 0
      ? { name: variable, value: null }
      : { name: variable.slice(0, at), value: variable.slice(at + 1) }
  },
  columns: () => [{ title: 'VARIABLE', text: variable => variable }],
})

function variables(guest: LinuxGuest, pid: number): Listing<string> {
  const result = guest.environment(pid)
  const absent = (message: string) => [{ kind: 'absent' as const, message, address: 0n }]
  if (result.kind === 'absent')
    return {
      items: [],
      problems:
        result.reason === 'none' ? [] : absent(`the environment of ${pid} is not there: ${result.reason}`),
    }
  return {
    items: result.variables,
    problems: result.complete ? [] : absent(`part of the environment of ${pid} is not there`),
  }
}
