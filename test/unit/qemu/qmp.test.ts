import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { QmpMonitor } from '../../../src/qemu/qmp.js'
import { splitLines } from '../../../src/qemu/split-lines.js'
import { findProgram } from '../../lab/command.js'
import { connectQmp } from '../../lab/qmp.js'

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n'
const servers: Server[] = []

/** A peer that says `words` to whoever connects, then answers each line with what `answer` makes of it. */
async function peer(
  words: string,
  answer: (command: { execute: string; id: number }, socket: Socket) => void,
) {
  const path = join(mkdtempSync(join(tmpdir(), 'vmsift-qmp-')), 'socket')
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.write(words)
    socket.on(
      'data',
      splitLines(
        1 << 20,
        line => answer(JSON.parse(line), socket),
        () => undefined,
      ),
    )
  })
  servers.push(server)
  server.listen(path)
  await once(server, 'listening')
  return path
}

function reply(socket: Socket, fields: object): void {
  socket.write(`${JSON.stringify(fields)}\r\n`)
}

/** Answers the handshake, and everything else with `then`. */
function afterHandshake(then: (command: { execute: string; id: number }, socket: Socket) => void) {
  return (command: { execute: string; id: number }, socket: Socket): void => {
    if (command.execute === 'qmp_capabilities') reply(socket, { return: {}, id: command.id })
    else then(command, socket)
  }
}

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

describe('a QMP client', () => {
  it('gives each command its own answer, whatever the order', async () => {
    const held: { id: number }[] = []
    const path = await peer(
      GREETING,
      afterHandshake((command, socket) => {
        held.push(command)
        if (held.length === 2) for (const { id } of held.reverse()) reply(socket, { return: id, id })
      }),
    )
    using monitor = await QmpMonitor.connect(path)
    const [first, second] = await Promise.all([monitor.execute('a'), monitor.execute('b')])
    expect(Number(second)).toBe(Number(first) + 1)
  })

  it('says what QEMU said when a command fails', async () => {
    const path = await peer(
      GREETING,
      afterHandshake(({ id }, socket) =>
        reply(socket, { error: { class: 'GenericError', desc: 'no such device' }, id }),
      ),
    )
    using monitor = await QmpMonitor.connect(path)
    await expect(monitor.execute('eject')).rejects.toMatchObject({
      code: 'monitor-failed',
      message: 'qmp eject: no such device',
      detail: { class: 'GenericError', command: 'eject' },
    })
  })

  it('hands events to those who listen, and no longer than they do', async () => {
    const path = await peer(
      GREETING,
      afterHandshake(({ id }, socket) => {
        reply(socket, { event: 'STOP', timestamp: {} })
        reply(socket, { event: 'RESET', data: { guest: true } })
        reply(socket, { return: {}, id })
      }),
    )
    using monitor = await QmpMonitor.connect(path)
    const told: unknown[] = []
    const forget = monitor.onEvent(event => told.push(event))
    await monitor.execute('stop')
    forget()
    await monitor.execute('stop')
    expect(told).toEqual([
      { event: 'STOP', data: {} },
      { event: 'RESET', data: { guest: true } },
    ])
  })

  it('says that the socket is taken when no greeting comes', async () => {
    const path = await peer('', () => undefined)
    await expect(QmpMonitor.connect(path, { greetingMs: 50 })).rejects.toMatchObject({ code: 'monitor-busy' })
  })

  it('gives up a command without an answer, and still understands the next', async () => {
    const path = await peer(
      GREETING,
      afterHandshake(({ execute, id }, socket) => {
        if (execute === 'slow') setTimeout(() => reply(socket, { return: 'late', id }), 80)
        else setTimeout(() => reply(socket, { return: 'right', id }), 100)
      }),
    )
    using monitor = await QmpMonitor.connect(path)
    await expect(monitor.execute('slow', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'monitor-failed',
    })
    expect(await monitor.execute('next')).toBe('right')
  })

  it('fails what is waiting, and everything after, when the connection ends', async () => {
    const path = await peer(
      GREETING,
      afterHandshake((_, socket) => socket.destroy()),
    )
    using monitor = await QmpMonitor.connect(path)
    let ended = 0
    monitor.onClose(() => ended++)
    await expect(monitor.execute('quit')).rejects.toMatchObject({ code: 'guest-gone' })
    await expect(monitor.execute('stop')).rejects.toMatchObject({ code: 'guest-gone' })
    monitor.close()
    monitor.onClose(() => ended++)
    expect(ended).toBe(2)
  })

  it('refuses a peer that speaks something else, or never ends its line', async () => {
    const http = await peer('HTTP/1.1 400 Bad Request\r\n', () => undefined)
    await expect(QmpMonitor.connect(http)).rejects.toThrow('does not speak QMP')
    const endless = await peer('x'.repeat(17 << 20), () => undefined)
    await expect(QmpMonitor.connect(endless)).rejects.toThrow('longer than')
  })

  it('says that nobody is there', async () => {
    await expect(QmpMonitor.connect('/nonexistent/qmp')).rejects.toMatchObject({ code: 'target-not-found' })
  })
})

const QEMU = findProgram('qemu-system-x86_64')

describe.skipIf(QEMU === undefined)(
  `a QMP client of a real QEMU${QEMU === undefined ? ' (skipped: qemu-system-x86_64 not found)' : ''}`,
  () => {
    it('runs commands of both monitors, one client at a time', async () => {
      const path = join(mkdtempSync(join(tmpdir(), 'vmsift-qmp-')), 'socket')
      const qemu = spawn(
        QEMU as string,
        [
          '-machine',
          'none',
          '-nodefaults',
          '-display',
          'none',
          '-S',
          '-qmp',
          `unix:${path},server=on,wait=off`,
        ],
        { stdio: 'ignore' },
      )
      try {
        using monitor = await connectQmp(path, AbortSignal.timeout(20_000))
        expect(await monitor.execute('query-status')).toMatchObject({ running: false })
        expect(await monitor.human('info version')).toMatch(/^\d+\.\d+/)
        await expect(monitor.execute('no-such-command')).rejects.toMatchObject({ code: 'monitor-failed' })
        await expect(QmpMonitor.connect(path, { greetingMs: 100 })).rejects.toMatchObject({
          code: 'monitor-busy',
        })
        const ended = new Promise<void>(resolve => monitor.onClose(resolve))
        await monitor.execute('quit')
        await ended
      } finally {
        qemu.kill('SIGKILL')
      }
    })
  },
)

describe('lines out of a stream', () => {
  it('are the same however the stream is cut', () => {
    const text = Buffer.from('one\r\n\ntwo \u00e4\u00f6\nthree\n')
    for (let step = 1; step <= text.length; step++) {
      const lines: string[] = []
      const take = splitLines(
        100,
        line => lines.push(line),
        () => undefined,
      )
      for (let at = 0; at < text.length; at += step) take(text.subarray(at, at + step))
      expect(lines).toEqual(['one', '', 'two \u00e4\u00f6', 'three'])
    }
  })
})
