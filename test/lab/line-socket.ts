/** A Unix socket that speaks in lines: QMP and the guest's control port both do. */
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export interface LineSocket {
  send(line: string): void
  /** The next line; rejects when the other side closes. */
  next(): Promise<string>
  close(): void
}

/** Connects as soon as the socket is there, trying until `signal` says that it is over. */
export async function connectLines(path: string, signal: AbortSignal): Promise<LineSocket> {
  for (;;) {
    try {
      return lineSocket(await connect(path))
    } catch (error) {
      if (signal.aborted) throw new Error(`no connection to ${path}`, { cause: error })
      await sleep(20)
    }
  }
}

function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

function lineSocket(socket: Socket): LineSocket {
  const lines: string[] = []
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = []
  let closed = false
  const reader = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })
  reader.on('line', line => {
    const waiter = waiting.shift()
    if (waiter === undefined) lines.push(line)
    else waiter.resolve(line)
  })
  const end = (): void => {
    closed = true
    for (const waiter of waiting.splice(0)) waiter.reject(new Error('the other side closed the connection'))
  }
  reader.on('close', end)
  // A reset shows as the close that follows it; readline passes the socket's errors on.
  socket.on('error', () => socket.destroy())
  reader.on('error', () => undefined)
  return {
    send: line => void socket.write(`${line}\n`),
    next: () => {
      const line = lines.shift()
      if (line !== undefined) return Promise.resolve(line)
      if (closed) return Promise.reject(new Error('the connection is closed'))
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    close: () => socket.destroy(),
  }
}
