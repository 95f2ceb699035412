/** How long a guest stands still each time, by QEMU's own clock: the time stamps of its STOP and RESUME events. */
import { connectLines } from './line-socket.js'

export interface StopClock {
  /** Each stop that has ended, in order. */
  readonly milliseconds: number[]
  close(): void
}

interface QmpEvent {
  readonly event?: string
  readonly timestamp?: { readonly seconds: number; readonly microseconds: number }
}

/** Listens on a QMP socket of its own. */
export async function stopClock(path: string): Promise<StopClock> {
  const socket = await connectLines(path, AbortSignal.timeout(10_000))
  socket.send('{"execute":"qmp_capabilities"}')
  const milliseconds: number[] = []
  const listen = async (): Promise<void> => {
    let stopped: number | undefined
    for (;;) {
      const { event, timestamp } = JSON.parse(await socket.next()) as QmpEvent
      if (timestamp === undefined) continue
      const at = timestamp.seconds * 1000 + timestamp.microseconds / 1000
      if (event === 'STOP') stopped = at
      if (event === 'RESUME' && stopped !== undefined) {
        milliseconds.push(at - stopped)
        stopped = undefined
      }
    }
  }
  // ends when the socket is closed
  void listen().catch(() => undefined)
  return { milliseconds, close: () => socket.close() }
}
