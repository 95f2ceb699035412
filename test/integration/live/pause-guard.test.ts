import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openControl } from '../../../src/coordinator/guest-control.js'
import { pauseGuest } from '../../../src/qemu/pause-guard.js'
import { QmpMonitor } from '../../../src/qemu/qmp.js'
import { runState } from '../../../src/qemu/run-state.js'
import { type BareQemu, noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'

const reason = noBareQemu()
const PROGRAM = fileURLToPath(new URL('../../helpers/hold-guest.ts', import.meta.url))

describe.skipIf(reason !== undefined)(`a pause guard${reason === undefined ? '' : ` (${reason})`}`, () => {
  let qemu: BareQemu

  beforeAll(async () => {
    qemu = await startBareQemu()
  })
  afterAll(() => qemu?.[Symbol.asyncDispose]())
  beforeEach(() => qemu.monitor.execute('cont'))

  const running = async (): Promise<boolean> => (await runState(qemu.monitor)).running

  it('holds the guest until the scope ends', async () => {
    {
      await using pause = await pauseGuest(qemu.monitor)
      expect(pause.wasRunning).toBe(true)
      expect(await running()).toBe(false)
    }
    expect(await running()).toBe(true)
  })

  it('lets the guest run when the scope ends by an error', async () => {
    const work = async (): Promise<void> => {
      await using _pause = await pauseGuest(qemu.monitor)
      throw new Error('a mistake')
    }
    await expect(work()).rejects.toThrow('a mistake')
    expect(await running()).toBe(true)
  })

  it('leaves a guest paused that was paused already', async () => {
    await qemu.monitor.execute('stop')
    {
      await using pause = await pauseGuest(qemu.monitor)
      expect(pause.wasRunning).toBe(false)
    }
    expect(await running()).toBe(false)
  })

  it('resumes once, however often it is asked to', async () => {
    const pause = await pauseGuest(qemu.monitor)
    await pause.resume()
    await qemu.monitor.execute('stop')
    await pause.resume()
    await pause[Symbol.asyncDispose]()
    expect(await running()).toBe(false)
  })

  it('leaves no listener of signals behind', async () => {
    const before = process.listenerCount('SIGTERM')
    const pause = await pauseGuest(qemu.monitor)
    expect(process.listenerCount('SIGTERM')).toBe(before + 1)
    await pause.resume()
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })

  it('lets the guest run when the control that it is of is disposed before it', async () => {
    const control = await openControl(`qemu:${qemu.qmpPath}`)
    const pause = await control.pause()
    expect(await running()).toBe(false)
    await control[Symbol.asyncDispose]()
    expect(await running()).toBe(true)
    await pause.resume()
  })

  it('is no obstacle when the guest has ended', async () => {
    await using other = await startBareQemu()
    const monitor = await QmpMonitor.connect(other.qmpPath)
    const pause = await pauseGuest(monitor)
    process.kill(other.pid, 'SIGKILL')
    await other.ended
    await pause.resume()
  })

  describe('in a program of its own', () => {
    const holding = async (how: string): Promise<ChildProcess> => {
      const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, qemu.qmpPath, how], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const [said] = (await once(child.stdout!, 'data')) as [Buffer]
      expect(said.toString()).toBe('paused\n')
      return child
    }
    const ended = async (child: ChildProcess): Promise<unknown[]> =>
      child.exitCode === null && child.signalCode === null
        ? once(child, 'exit')
        : [child.exitCode, child.signalCode]

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      it(`lets the guest run when ${signal} ends the program`, async () => {
        const child = await holding('wait')
        expect(await running()).toBe(false)
        child.kill(signal)
        expect(await ended(child)).toEqual([null, signal])
        expect(await running()).toBe(true)
      })
    }

    for (const handler of ['handler-before', 'handler-behind']) {
      it(`leaves the signal to a program that handles it once, and lets the guest run at its exit (${handler})`, async () => {
        const child = await holding(handler)
        child.kill('SIGTERM')
        expect(await ended(child)).toEqual([7, null])
        await expect.poll(running).toBe(true)
      })
    }

    it('lets the guest run when the program exits', async () => {
      expect(await ended(await holding('exit'))).toEqual([5, null])
      await expect.poll(running).toBe(true)
    })

    it('lets the guest run when the program ends by an uncaught error', async () => {
      expect(await ended(await holding('throw'))).toEqual([1, null])
      await expect.poll(running).toBe(true)
    })

    it('leaves the guest paused when the program is killed outright: nobody can catch that', async () => {
      const child = await holding('wait')
      child.kill('SIGKILL')
      await ended(child)
      expect(await running()).toBe(false)
    })
  })
})
