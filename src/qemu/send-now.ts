/** The last bytes of a process that is about to end. */
import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'

/** Writes in this very call: a socket's own `write` may wait for an event loop that never turns again. Never throws. */
export function sendNow(socket: Socket, bytes: string): void {
  // Node tells a socket's descriptor nowhere else
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd
  if (fd === undefined || fd < 0) return
  try {
    writeSync(fd, bytes, null, 'latin1')
  } catch {
    // the other side is gone, or its buffer is full: there is no later to try again
  }
}
