/** Options of the commands that need the guest's system, and opening it. */
import type { Command } from 'commander'
import type { GuestOptions as GuestSearch } from '../coordinator/guest.js'
import type { Target } from '../coordinator/target.js'
import type { SystemGuest } from '../introspect/open.js'
import type { Listing, Problem } from '../os/problem.js'
import { EXIT } from './exit-codes.js'
import { symbolsOption } from './symbols-option.js'
import { addTargetOptions, openOptions, type TargetOptions } from './targets.js'
import { tell } from './tell.js'
import { plural } from './units.js'

export interface GuestOptions extends TargetOptions {
  readonly symbols?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** More than this many oddities of a guest are counted, not told. */
const TOLD_PROBLEMS = 5

/** Adds what every command on a guest's system has. */
export function addGuestOptions(command: Command): Command {
  return addTargetOptions(command)
    .addOption(symbolsOption())
    .option('--json', 'one JSON object a line')
    .option('-q, --quiet', 'no warnings')
}

/** Opens the target and recognises its guest, runs `work`, and closes both. */
export async function withGuest(
  path: string,
  options: GuestOptions,
  work: (guest: SystemGuest, target: Target) => Promise<number>,
  more: { readonly allowWrite?: boolean } = {},
): Promise<number> {
  const opening = { ...openOptions(path, options), ...more }
  const [{ openTargetAtGuestBase }, { openSystemGuest }] = await Promise.all([
    import('../coordinator/guest-base.js'),
    import('../introspect/open.js'),
  ])
  using target = await openTargetAtGuestBase(path, opening)
  if (options.quiet !== true) target.warnings.forEach(tell)
  using guest = await openSystemGuest(target, guestOptions(options))
  return await work(guest, target)
}

/** What `openGuest` takes. */
export function guestOptions(options: GuestOptions): GuestSearch {
  return {
    openBase: options.base === undefined,
    ...(options.symbols !== undefined && { symbols: options.symbols }),
  }
}

/** Tells what was wrong in the guest's own structures; the exit code says whether memory was missing. */
export function tellProblems({ problems }: Listing<unknown>, options: GuestOptions): number {
  if (options.quiet !== true) {
    for (const { message } of problems.slice(0, TOLD_PROBLEMS)) tell(message)
    const more = problems.length - TOLD_PROBLEMS
    if (more > 0) tell(`${plural(more, 'more oddity', 'more oddities')} in the guest's structures`)
  }
  return problems.some(isMissing) ? EXIT.unread : EXIT.done
}

function isMissing({ kind }: Problem): boolean {
  return kind === 'absent' || kind === 'unknown'
}
