/** Guests in odd states, with odd names, and sockets that are none of QEMU's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lastValueFrom } from 'rxjs'
import { afterAll, describe, expect, it } from 'vitest'
import { listGuests, openControl, openTarget, scan } from '../../../src/index.js'
import { runCli } from '../../cli/run-cli.js'
import { noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'

const missing = noBareQemu()

describe.skipIf(missing !== undefined)(`odd guests${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it.each([
    ['was never started', ['-S'], 'prelaunch'],
    ['waits for a migration', ['-incoming', 'defer'], 'inmigrate'],
  ])('one that %s is opened and scanned, and stays as it is', async (_what, words, status) => {
    await using guest = await startBareQemu(words)
    const target = `qemu:${guest.pid}`
    expect(await listGuests()).toContainEqual(expect.objectContaining({ pid: guest.pid, state: status }))
    using opened = await openTarget(target)
    const patterns = [{ kind: 'text' as const, text: 'no such text' }]
    for (const pause of [false, true])
      expect(await lastValueFrom(scan(opened, { patterns, pause }))).toMatchObject({
        complete: true,
        bytesFailed: 0,
      })
    await using control = await openControl(target)
    expect(await control.registers()).toHaveLength(1)
    expect(await guest.monitor.execute('query-status')).toMatchObject({ running: false, status })
  })

  it('one that many want at once serves them one after the other', async () => {
    await using guest = await startBareQemu()
    const opening = Array.from({ length: 8 }, () => openTarget(`qemu:${guest.qmpPath}`))
    for (const target of await Promise.all(opening)) {
      expect(target.warnings).toEqual([])
      target[Symbol.dispose]()
    }
  })

  it('two of one name are told apart by their processes', async () => {
    const name = `vmsift-twin-${process.pid}`
    await using one = await startBareQemu(['-name', name])
    await using other = await startBareQemu(['-name', name])
    const pids = [one.pid, other.pid].sort((a, b) => a - b)
    await expect(openTarget(`qemu:${name}`)).rejects.toThrow(
      `give a process id instead: qemu:${pids[0]}, qemu:${pids[1]}`,
    )
    const listed = (await listGuests()).filter(guest => guest.name === name).map(({ target }) => target)
    expect(listed).toEqual(pids.map(pid => `qemu:${pid}`))
    for (const pid of pids) (await openTarget(`qemu:${pid}`))[Symbol.dispose]()
  })

  it('one whose name would move a terminal is shown escaped, and opened by it', async () => {
    const name = `\u001b[31mred\u0007\n${process.pid}`
    await using _guest = await startBareQemu(['-name', name])
    const { code, stdout } = await runCli('list')
    expect(code).toBe(0)
    expect(stdout).toContain(`\\x1b[31mred\\x07\\n${process.pid}`)
    expect(stdout).not.toContain('\u001b')
    using opened = await openTarget(`qemu:${name}`)
    expect(opened.format).toBe('qemu')
  })
})

describe('a path that is no QMP socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-odd-'))
  const servers: Server[] = []
  const sockets: Socket[] = []
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    for (const server of servers) server.close()
    rmSync(folder, { recursive: true })
  })

  async function serve(name: string, onClient: (socket: Socket) => void): Promise<string> {
    const path = join(folder, name)
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      onClient(socket)
    })
    servers.push(server)
    await new Promise<void>(resolve => server.listen(path, resolve))
    return path
  }

  const GREETING = '{"QMP":{"version":{},"capabilities":[]}}\r\n'
  /** Answers every command with the same. */
  const answering = (answer: unknown) => (socket: Socket) => {
    socket.write(GREETING)
    socket.on('data', bytes => {
      for (const [, id] of bytes.toString().matchAll(/"id":(\d+)/g))
        socket.write(`${JSON.stringify({ return: answer, id: Number(id) })}\n`)
    })
  }

  it.each([
    [
      'speaks another language',
      (socket: Socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\n'),
      'does not speak QMP',
    ],
    ['says nothing', () => undefined, 'does not answer'],
    ['hangs up', (socket: Socket) => void socket.end(), 'closed the connection'],
    ['never ends a line', (socket: Socket) => void socket.write(Buffer.alloc(17 << 20, 97)), 'longer than'],
    ['answers nonsense', answering([{ a: '\u001b[31m' }, 5]), 'none can be found'],
    [
      'tells of memory it has not',
      answering(
        `FlatView #0\n AS "memory", root: system\n${'  0000000000000000-00ffffffffffffff (prio 0, ram): x\n'.repeat(9)}`,
      ),
      'none can be found',
    ],
  ])('which %s, is refused with the reason', async (what, onClient, why) => {
    const path = await serve(what.replaceAll(' ', '-'), onClient)
    await expect(openTarget(`qemu:${path}`)).rejects.toThrow(why)
  })

  it('but a file, or nothing at all, is refused with the reason', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await expect(openTarget(`qemu:${file}`)).rejects.toThrow('is not a socket')
    await expect(openTarget(`qemu:${folder}/none`)).rejects.toThrow('no QMP socket at')
    await expect(openTarget('qemu:')).rejects.toThrow('names no guest')
    await expect(openTarget(`qemu:${process.pid}`)).rejects.toThrow('no QEMU process')
  })
})
