/**
 * What this process must not leave undone: a guest that it stopped. SIGKILL can't be caught; all other ways out can.
 */

/** Puts back what this process changed outside itself. */
export interface Undo {
  /** In good order. */
  undo(): Promise<void>
  /** In one synchronous attempt: the process ends when it returns. */
  undoNow(): void
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** A guest whose QEMU hangs must not keep this process alive. */
const GRACE_MS = 2000

const held = new Set<Undo>()

/**
 * Keeps `undo` in mind until the result is disposed. When SIGINT, SIGTERM or SIGHUP comes and nobody else in this process handles
 * it, everything kept in mind is undone, and then the signal has its usual effect. Where the program has a handler of its own, that
 * one decides; whatever it does, also after an uncaught error, `undoNow` is called when the process exits.
 */
export function undoOnExit(undo: Undo): Disposable {
  if (held.size === 0) install()
  held.add(undo)
  return {
    [Symbol.dispose]() {
      if (held.delete(undo) && held.size === 0) uninstall()
    },
  }
}

function install(): void {
  // before those that end the process there and then
  process.prependListener('exit', onExit)
  // first in the row: a handler that removes itself when it runs still counts
  for (const signal of SIGNALS) process.prependListener(signal, onSignal)
}

function uninstall(): void {
  process.removeListener('exit', onExit)
  for (const signal of SIGNALS) process.removeListener(signal, onSignal)
}

/** The latest first: what was done inside something else is undone inside it. */
function latestFirst(): Undo[] {
  return [...held].reverse()
}

function onExit(): void {
  for (const undo of latestFirst()) undo.undoNow()
}

async function undoAll(): Promise<void> {
  // one that fails is no reason to leave out the others
  for (const undo of latestFirst()) await undo.undo().catch(() => undefined)
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  // a second signal kills at once; what is not undone by then is tried by nobody
  uninstall()
  const die = (): void => void process.kill(process.pid, signal)
  const late = setTimeout(() => {
    onExit()
    die()
  }, GRACE_MS)
  void undoAll().then(() => {
    clearTimeout(late)
    die()
  })
}
