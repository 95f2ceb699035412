/** The last bytes of a process that is about to end. */
import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'

/** The descriptor of a socket that is open. */
export function descriptorOf(socket: Socket): number | undefined {
  // Node tells it nowhere else
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd
  return fd === undefined || fd < 0 ? undefined : fd
}

/** Writes in this very call: a socket's own `write` may wait for an event loop that never turns again. Never throws. */
export function sendNow(socket: Socket, bytes: string): void {
  const fd = descriptorOf(socket)
  if (fd === undefined) return
  try {
    writeSync(fd, bytes, null, 'latin1')
  } catch {
    // the other side is gone, or its buffer is full: there is no later to try again
  }
}
