/**
 * QMP for threads without an event loop. QEMU serves one client a socket, so threads take turns through a word of shared memory, each
 * with a connection of its own for as long as its turn is.
 */
import { connectBlocking } from '../ffi/unix-socket.js'
import { splitLines } from './split-lines.js'

const TIMEOUT_MS = 10_000
const MAX_LINE_BYTES = 16 << 20

/** A word of shared memory: 0 when it is nobody's turn. */
export function newTurns(): SharedArrayBuffer {
  return new SharedArrayBuffer(4)
}

/** Runs one command; undefined when it fails in whatever way. */
export function executeBlocking(
  path: string,
  turns: SharedArrayBuffer,
  command: string,
  args: Readonly<Record<string, unknown>>,
): unknown {
  return askBlocking(path, turns, command, args)?.['return']
}

/** QEMU's answer to one command, its `return` or its `error`; undefined when none comes. */
export function askBlocking(
  path: string,
  turns: SharedArrayBuffer,
  command: string,
  args: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> | undefined {
  const word = new Int32Array(turns)
  while (Atomics.compareExchange(word, 0, 0, 1) !== 0)
    if (Atomics.wait(word, 0, 1, TIMEOUT_MS) === 'timed-out') return undefined
  try {
    return converse(path, command, args)
  } finally {
    Atomics.store(word, 0, 0)
    Atomics.notify(word, 0, 1)
  }
}

function converse(
  path: string,
  command: string,
  args: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  using socket = connectBlocking(path, TIMEOUT_MS)
  if (socket === undefined) return undefined
  const messages: Record<string, unknown>[] = []
  let broken = false
  const take = splitLines(
    MAX_LINE_BYTES,
    line => {
      const message = parse(line)
      if (message === undefined) broken = true
      else messages.push(message)
    },
    () => {
      broken = true
    },
  )
  const next = (
    wanted: (message: Record<string, unknown>) => boolean,
  ): Record<string, unknown> | undefined => {
    for (;;) {
      for (let message = messages.shift(); message !== undefined; message = messages.shift())
        if (wanted(message)) return message
      const chunk = broken ? undefined : socket.receive()
      if (chunk === undefined) return undefined
      take(chunk)
    }
  }
  const ask = (
    id: number,
    name: string,
    values: Readonly<Record<string, unknown>>,
  ): Record<string, unknown> | undefined => {
    if (!socket.send(`${JSON.stringify({ execute: name, arguments: values, id })}\n`)) return undefined
    return next(message => message['id'] === id)
  }
  if (next(message => 'QMP' in message) === undefined) return undefined
  const ready = ask(1, 'qmp_capabilities', {})
  return ready?.['return'] === undefined ? undefined : ask(2, command, args)
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    // no JSON: the caller gives up
    return undefined
  }
}
