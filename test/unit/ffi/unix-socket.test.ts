/** Sockets whose calls block: the other side is a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { connectBlocking } from '../../../src/ffi/unix-socket.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-socket-'))
const path = join(folder, 'socket')
let child: ChildProcess | undefined

afterEach(() => void child?.kill('SIGKILL'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A process that listens, and does this to who connects: `socket` and `every` (as setInterval) are at hand. */
async function listening(what: string): Promise<void> {
  rmSync(path, { force: true })
  const program = `require('net').createServer(socket => { socket.on('error', () => {}); ${what} }).listen('${path}', () => console.log('ready'))`
  child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
}

describe('a socket whose calls block', () => {
  it('comes to an end when the other side says a little now and then for ever', async () => {
    await listening("setInterval(() => socket.write('x'), 50)")
    using socket = connectBlocking(path, 300)
    const started = performance.now()
    while (socket?.receive() !== undefined);
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('waits on when a signal comes', async () => {
    const ignore = (): void => undefined
    process.on('SIGWINCH', ignore)
    await listening(
      `let n = 0; setInterval(() => ++n < 5 ? process.kill(${process.pid}, 'SIGWINCH') : socket.write('answer'), 50)`,
    )
    using socket = connectBlocking(path, 5000)
    expect(socket?.receive()?.toString()).toMatch('answer')
    expect(socket?.peerPid()).toBe(child?.pid)
    process.removeListener('SIGWINCH', ignore)
  })
})
