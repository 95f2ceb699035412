import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findQemuGuest, listQemuGuests } from '../../../src/qemu/discover.js'
import { openMonitor } from '../../../src/qemu/open-monitor.js'
import { argumentsOf, isRunning } from '../../../src/qemu/processes.js'
import { QmpMonitor } from '../../../src/qemu/qmp.js'
import { findProgram } from '../../lab/command.js'
import { connectQmp } from '../../lab/qmp.js'

const QEMU = findProgram('qemu-system-x86_64')
const folder = mkdtempSync(join(tmpdir(), 'vmsift-discover-'))
const name = `vmsift-test-${process.pid}`
const children: ChildProcess[] = []

function start(socket: string): ChildProcess {
  const args = ['-name', name, '-machine', 'none', '-nodefaults', '-display', 'none', '-S']
  for (const path of [socket, `${socket}2`]) args.push('-qmp', `unix:${path},server=on,wait=off`)
  // a relative path, from the folder it was started in
  const child = spawn(QEMU as string, args, { cwd: folder, stdio: 'ignore' })
  children.push(child)
  return child
}

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

describe.skipIf(QEMU === undefined)(
  `discovery of QEMU guests${QEMU === undefined ? ' (skipped: qemu-system-x86_64 not found)' : ''}`,
  () => {
    const socket = join(folder, 'qmp')
    let qemu: ChildProcess

    beforeAll(async () => {
      qemu = start('qmp')
      const monitor = await connectQmp(socket, AbortSignal.timeout(30_000))
      monitor.close()
    })

    it('finds a guest by name, by process id and by socket, as the same one', () => {
      const found = [name, String(qemu.pid), socket].map(findQemuGuest)
      for (const guest of found) expect(guest.process?.pid).toBe(qemu.pid)
      expect(found[0]?.qmpPaths).toEqual([socket, `${socket}2`])
      expect(found[2]?.qmpPaths).toEqual([socket])
      expect(listQemuGuests()).toContainEqual(found[0])
    })

    it('reaches the monitor through the socket that is free', async () => {
      using taken = await connectQmp(socket, AbortSignal.timeout(5000))
      using monitor = await openMonitor(findQemuGuest(name), { greetingMs: 500 })
      expect(await monitor.execute('query-name')).toEqual({ name })
      await expect(openMonitor(findQemuGuest(name), { greetingMs: 100 })).rejects.toMatchObject({
        code: 'monitor-busy',
      })
      expect(await taken.execute('query-name')).toEqual({ name })
    })

    it('refuses a name that two guests have, and says how to tell them apart', async () => {
      const other = start('qmp-b')
      using _monitor = await connectQmp(join(folder, 'qmp-b'), AbortSignal.timeout(30_000))
      expect(() => findQemuGuest(name)).toThrow(`qemu:${other.pid}`)
      expect(listQemuGuests().map(({ target }) => target)).toContain(`qemu:${qemu.pid}`)
      const ended = new Promise(resolve => other.once('exit', resolve))
      other.kill('SIGKILL')
      await ended
    })

    it('asks the QEMU that listens on a socket now, not one whose socket it was', async () => {
      const path = join(folder, 'twice')
      const first = start('twice')
      const before = await connectQmp(path, AbortSignal.timeout(30_000))
      const second = start('twice')
      // the first one serves this client still, on a socket that has no name any more
      await expect.poll(() => findQemuGuest(path).process?.pid, { timeout: 20_000 }).toBe(second.pid)
      before.close()
      const older = { ...findQemuGuest(String(first.pid)), qmpPaths: [path] }
      await expect(openMonitor(older)).rejects.toMatchObject({
        code: 'target-not-found',
        message: expect.stringContaining(`process ${second.pid}`),
      })
      using _monitor = await openMonitor(findQemuGuest(path))
      for (const child of [first, second]) {
        const ended = new Promise(resolve => child.once('exit', resolve))
        child.kill('SIGKILL')
        await ended
      }
    })

    it('tells that a socket is taken where not even waiting is possible', async () => {
      using _taken = await connectQmp(socket, AbortSignal.timeout(5000))
      const tries = Array.from({ length: 5 }, () => QmpMonitor.connect(socket, { greetingMs: 300 }))
      for (const result of await Promise.allSettled(tries))
        expect(result).toMatchObject({ reason: { code: 'monitor-busy' } })
    })

    it('tells a process from a later one with its number', () => {
      const { process } = findQemuGuest(name)
      expect(process !== undefined && isRunning(process)).toBe(true)
      expect(isRunning({ pid: qemu.pid as number, startTicks: '1' })).toBe(false)
    })

    it('reads arguments of any sensible length whole', async () => {
      const words = ['30', ...Array.from({ length: 12 }, (_, index) => `${index}`.padStart(100_000, '0'))]
      const child = spawn('sleep', words, { argv0: 'qemu-system-x86_64', stdio: 'ignore' })
      children.push(child)
      await expect.poll(() => argumentsOf(child.pid as number)).toEqual(['qemu-system-x86_64', ...words, ''])
      child.kill('SIGKILL')
    })

    it('says what is wrong with what names no guest', () => {
      const file = join(folder, 'file')
      writeFileSync(file, '')
      expect(() => findQemuGuest('no-such-guest')).toThrow('no QEMU guest is called no-such-guest')
      expect(() => findQemuGuest(String(process.pid))).toThrow('no QEMU process')
      expect(() => findQemuGuest(file)).toThrow('not a socket')
      expect(() => findQemuGuest('/nonexistent/socket')).toThrow('ENOENT')
    })
  },
)
