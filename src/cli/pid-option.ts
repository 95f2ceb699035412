/** `--pid`, as the commands on one process take it. */
import type { Command } from 'commander'
import type { GuestOptions } from './guest-options.js'
import { parseCount } from './numbers.js'

export interface PidOptions extends GuestOptions {
  readonly pid: string
}

/** Linux has up to 2^22, Windows more. */
const MAX_PID = 2 ** 26

/** Adds `--pid`, which must be given. */
export function addPidOption(command: Command): void {
  command.requiredOption('--pid <pid>', 'the process; vmsift ps lists them')
}

/** @throws VmsiftError `bad-argument` for what is no pid. */
export function parsePid(text: string, what = '--pid'): number {
  return parseCount(text, what, 1, MAX_PID)
}
