/** A QMP socket that is used in turns: what is told when no answer comes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { newTurns } from '../../../src/qemu/blocking-qmp.js'
import { TurnMonitor } from '../../../src/qemu/turn-monitor.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-turns-'))
let child: ChildProcess | undefined

afterAll(() => {
  child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

it('a monitor used in turns tells a socket that gives no answer from a guest that has ended', async () => {
  const path = join(folder, 'qmp')
  const program = `require('net').createServer(socket => socket.destroy()).listen('${path}', () => console.log('ready'))`
  // a process of its own: the calls block this one
  child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  using monitor = new TurnMonitor(path, newTurns())
  await expect(monitor.execute('cont')).rejects.toMatchObject({ code: 'monitor-busy' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await expect(monitor.execute('cont')).rejects.toMatchObject({ code: 'guest-gone' })
})
