/** The gdbstub of a real QEMU, without a guest in it: who has it, who gets it, and what becomes of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { guestEvents } from '../../../src/coordinator/guest-events.js'
import { newTurns } from '../../../src/qemu/blocking-qmp.js'
import { GuestControl } from '../../../src/qemu/control.js'
import { GdbStub } from '../../../src/qemu/gdbstub.js'
import { findStub } from '../../../src/qemu/gdbstub-server.js'
import { openStubSession } from '../../../src/qemu/gdbstub-session.js'
import type { Monitor } from '../../../src/qemu/monitor.js'
import { QmpMonitor } from '../../../src/qemu/qmp.js'
import { runState } from '../../../src/qemu/run-state.js'
import { TurnMonitor } from '../../../src/qemu/turn-monitor.js'
import { runCli, startCli } from '../../cli/run-cli.js'
import { type BareQemu, noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'
import { findProgram } from '../../lab/command.js'
import { qemuRegisterFields } from '../../lab/register-fields.js'

const reason = noBareQemu()
const why = reason === undefined ? '' : ` (${reason})`
const PROGRAM = fileURLToPath(new URL('../../helpers/debug-guest.ts', import.meta.url))
const RESET_VECTOR = 0xfffffff0n

const open: (() => PromiseLike<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

async function start(...args: Parameters<typeof startBareQemu>): Promise<BareQemu> {
  const qemu = await startBareQemu(...args)
  open.push(() => qemu[Symbol.asyncDispose]())
  return qemu
}

async function controlOf(qemu: BareQemu): Promise<GuestControl> {
  const monitor = await QmpMonitor.connect(qemu.qmpPath)
  const control = new GuestControl(monitor, {
    pid: qemu.pid,
    timeoutMs: 5000,
    close: () => monitor.close(),
  })
  open.push(() => control[Symbol.asyncDispose]())
  return control
}

const running = async (qemu: BareQemu): Promise<boolean> => (await runState(qemu.monitor)).running
const leftFolders = (): string[] => readdirSync(tmpdir()).filter(name => name.startsWith('vmsift-gdb-'))

describe.skipIf(reason !== undefined)(`QEMU's gdbstub${why}`, () => {
  it('is started in a private folder where none runs, and stopped again', async () => {
    const qemu = await start()
    const before = leftFolders()
    {
      await using session = await openStubSession(qemu.monitor, { pid: qemu.pid })
      expect(session.wasRunning).toBe(true)
      expect(await running(qemu)).toBe(false)
      expect(await findStub(qemu.monitor, qemu.pid)).toMatchObject({
        connected: true,
        address: { kind: 'unix' },
      })
    }
    expect(await running(qemu)).toBe(true)
    expect(await findStub(qemu.monitor, qemu.pid)).toBeUndefined()
    expect(leftFolders()).toEqual(before)
  })

  for (const [how, args] of Object.entries({
    '-gdb unix:': (path: string) => ['-gdb', `unix:${path},server=on,wait=off`],
    '-gdb chardev:': (path: string) => [
      ...['-chardev', `socket,path=${path},server=on,wait=off,id=my-debugger`],
      ...['-gdb', 'chardev:my-debugger'],
    ],
    '-gdb tcp:': () => ['-gdb', 'tcp:127.0.0.1:0'],
  })) {
    it(`is used where it runs and nobody is connected, and left there (${how})`, async () => {
      const qemu = await start(folder => args(`${folder}/gdb`))
      const server = await findStub(qemu.monitor, qemu.pid)
      expect(server).toMatchObject({ connected: false })
      const control = await controlOf(qemu)
      await control.debug(async debug => expect(debug.vcpus).toBe(1))
      expect(await running(qemu)).toBe(true)
      await expect.poll(() => findStub(qemu.monitor, qemu.pid)).toEqual(server)
    })

    it(`is left alone where a debugger is connected, and so is the guest (${how})`, async () => {
      const qemu = await start(folder => args(`${folder}/gdb`))
      const { address } = (await findStub(qemu.monitor, qemu.pid)) ?? {}
      const other = await GdbStub.open(address!)
      open.push(async () => other.close())
      await other.insert({ kind: 'break', address: RESET_VECTOR })
      const control = await controlOf(qemu)
      const events: unknown[] = []
      const work = [
        control.debug(async () => undefined),
        control.writeRegisters(0, { rax: 1n }),
        new Promise((resolve, reject) =>
          guestEvents(control, { steps: 1 }).subscribe({
            next: event => events.push(event),
            error: reject,
            complete: () => resolve(undefined),
          }),
        ),
      ]
      // all at once: one that fails before it is waited for would count as nobody's
      for (const each of await Promise.allSettled(work))
        expect(each).toMatchObject({
          status: 'rejected',
          reason: { code: 'monitor-busy', message: expect.stringContaining('does not take it over') },
        })
      expect(events).toEqual([])
      // registers that the monitor tells need no stub
      expect(await control.registers()).toHaveLength(1)
      expect(await running(qemu)).toBe(false)
      // the other one's session goes on, its breakpoint works
      await qemu.monitor.execute('system_reset')
      const stop = await other.runFor(5000)
      expect(stop).toMatchObject({ signal: 5 })
      expect(await other.register(0, 'rip')).toBe(0xfff0n)
      await other.detach()
      expect(await running(qemu)).toBe(true)
    })
  }

  it.skipIf(findProgram('gdb') === undefined)('is not taken from a real gdb (needs gdb)', async () => {
    const qemu = await start(folder => ['-gdb', `unix:${folder}/gdb,server=on,wait=off`])
    const { address } = (await findStub(qemu.monitor, qemu.pid)) ?? {}
    if (address?.kind !== 'unix') throw new Error('no stub')
    const gdb = spawn('gdb', ['-q', '-nx', '-ex', `target remote ${address.path}`, '-ex', 'echo @@on\\n'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    open.push(async () => void gdb.kill('SIGKILL'))
    const exited = once(gdb, 'exit')
    let said = ''
    gdb.stdout.on('data', (text: Buffer) => {
      said += text.toString()
    })
    await expect.poll(() => said, { timeout: 20_000 }).toContain('@@on')
    const control = await controlOf(qemu)
    await expect(control.debug(async () => undefined)).rejects.toMatchObject({ code: 'monitor-busy' })
    gdb.stdin.write('info registers rip\necho @@done\\n\ndetach\nquit\n')
    await expect.poll(() => said, { timeout: 20_000 }).toContain('@@done')
    expect(said).toMatch(/rip\s+0x/)
    await exited
    await expect.poll(() => running(qemu)).toBe(true)
    await control.debug(async debug => expect(debug.vcpus).toBe(1))
  })

  it('tells a breakpoint in real mode by its linear address', async () => {
    const qemu = await start(['-S'])
    const control = await controlOf(qemu)
    await control.debug(async debug => {
      expect(await debug.address(0)).toBe(RESET_VECTOR)
      const next = await debug.step(0)
      expect(next).not.toBe(RESET_VECTOR)
    })
    expect((await runState(qemu.monitor)).running).toBe(false)
    await qemu.monitor.execute('system_reset')
    const seen: bigint[] = []
    const done = new Promise<void>((resolve, reject) => {
      const subscription = guestEvents(control, { breakpoints: [RESET_VECTOR] }).subscribe({
        next: ({ address }) => {
          seen.push(address)
          subscription.unsubscribe()
          resolve()
        },
        error: reject,
      })
    })
    await done
    expect(seen).toEqual([RESET_VECTOR])
  })

  it('ends the events with a clear reason when the guest ends', async () => {
    const qemu = await start()
    const control = await controlOf(qemu)
    const ended = new Promise((resolve, reject) => {
      guestEvents(control, { breakpoints: [0x1234n] }).subscribe({
        complete: () => reject('done'),
        error: resolve,
      })
    })
    await expect.poll(async () => (await findStub(qemu.monitor, qemu.pid))?.connected).toBe(true)
    await expect.poll(() => running(qemu)).toBe(true)
    process.kill(qemu.pid, 'SIGKILL')
    expect(await ended).toMatchObject({ code: 'guest-gone' })
  })

  /** Through the port that the firmware sets up when it comes to it. */
  const shutDown = async (monitor: Monitor): Promise<void> => {
    do await monitor.human('o /2 0x604 0x2000')
    while ((await runState(monitor)).running)
  }
  const migrate = (monitor: Monitor) => monitor.execute('migrate', { uri: 'exec:cat >/dev/null' })
  it.each([
    ['shuts down', shutDown, 'shutdown'],
    ['migrates', migrate, 'postmigrate'],
  ] as const)('leaves QEMU alone when the guest %s while it is watched', async (_what, begin, state) => {
    const qemu = await start(['-no-shutdown'])
    const control = await controlOf(qemu)
    const ended = new Promise((resolve, reject) => {
      guestEvents(control, { breakpoints: [0x1234n] }).subscribe({
        complete: () => reject('done'),
        error: resolve,
      })
    })
    await expect.poll(async () => (await findStub(qemu.monitor, qemu.pid))?.connected).toBe(true)
    await expect.poll(() => running(qemu)).toBe(true)
    await begin(qemu.monitor)
    expect(await ended).toMatchObject({ code: 'guest-gone' })
    await expect.poll(async () => (await runState(qemu.monitor)).status).toBe(state)
    expect(await findStub(qemu.monitor, qemu.pid)).toBeUndefined()
  })

  it('leaves a guest running that somebody paused and let run, where the monitor tells no events', async () => {
    const qemu = await start()
    const monitor = new TurnMonitor(qemu.qmpPath, newTurns())
    await using control = new GuestControl(monitor, { pid: qemu.pid, close: () => monitor.close() })
    const subscription = guestEvents(control, { breakpoints: [0x1234n] }).subscribe()
    await expect.poll(async () => (await findStub(qemu.monitor, qemu.pid))?.connected).toBe(true)
    await expect.poll(() => running(qemu)).toBe(true)
    await qemu.monitor.execute('stop')
    await setTimeout(100)
    await qemu.monitor.execute('cont')
    subscription.unsubscribe()
    await control[Symbol.asyncDispose]()
    expect(await running(qemu)).toBe(true)
  })

  describe('held by a program of its own', () => {
    const holding = async (qemu: BareQemu, how: string): Promise<ChildProcess> => {
      const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, qemu.qmpPath, how], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const [said] = (await once(child.stdout!, 'data')) as [Buffer]
      expect(said.toString()).toBe('held false\n')
      return child
    }

    it('is put back when a signal ends the program', async () => {
      const qemu = await start()
      const child = await holding(qemu, 'wait')
      child.kill('SIGTERM')
      if (child.signalCode === null) await once(child, 'exit')
      expect(await running(qemu)).toBe(true)
      expect(await findStub(qemu.monitor, qemu.pid)).toBeUndefined()
    })

    it.each(['nested', 'opening'])('is put back by a signal wherever it comes (%s)', async how => {
      // the more processors, the longer a stub is asked what it has
      const qemu = await start(['-smp', '16'])
      const child = await holding(qemu, how)
      child.kill('SIGTERM')
      if (child.signalCode === null) await once(child, 'exit')
      expect(await running(qemu)).toBe(true)
      expect(await findStub(qemu.monitor, qemu.pid)).toBeUndefined()
    })

    it('lets the guest run without breakpoints when the program exits', async () => {
      const qemu = await start()
      const child = await holding(qemu, 'exit')
      if (child.exitCode === null) await once(child, 'exit')
      await expect.poll(() => running(qemu)).toBe(true)
      // the stub is left to the next one that looks
      await (await controlOf(qemu)).resume()
      expect(await findStub(qemu.monitor, qemu.pid)).toBeUndefined()
    })
  })

  it('ends a watch on the command line with exit code 3 when the guest ends', async () => {
    const qemu = await start()
    const { result } = startCli(['watch', `qemu:${qemu.qmpPath}`, '--break', '0x1234', '--json'])
    const watched = async (): Promise<boolean> =>
      (await findStub(qemu.monitor, qemu.pid))?.connected === true && (await running(qemu))
    await expect.poll(watched, { timeout: 20_000 }).toBe(true)
    process.kill(qemu.pid, 'SIGKILL')
    const { code, stdout, stderr } = await result
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  it('is not asked by a command that finds the QMP socket taken', async () => {
    const qemu = await start()
    using _other = await QmpMonitor.connect(qemu.qmpPath)
    const { code, stderr } = await runCli('regs', `qemu:${qemu.qmpPath}`)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^vmsift: .*another client holds this QMP socket.*\n$/)
  })
})

const noI386 = noBareQemu('qemu-system-i386')
describe.skipIf(noI386 !== undefined)(`an i386 QEMU${noI386 === undefined ? '' : ` (${noI386})`}`, () => {
  it("has the registers that QEMU's info registers prints, and writes them", async () => {
    const qemu = await start(['-smp', '2'], 'qemu-system-i386')
    const control = await controlOf(qemu)
    await using _pause = await control.pause()
    const cpus = await control.registers()
    expect(cpus.map(({ registers }) => ({ ...registers }))).toEqual(
      qemuRegisterFields(await qemu.monitor.human('info registers -a')),
    )
    expect(cpus[1]!.registers).toMatchObject({ eip: expect.any(BigInt), cr0: expect.any(BigInt) })
    await control.writeRegisters(1, { esi: 0x12345678n })
    expect((await control.registers(1))[0]!.registers['esi']).toBe(0x12345678n)
  })
})

const noArm = noBareQemu('qemu-system-aarch64')
describe.skipIf(noArm !== undefined)(`an aarch64 QEMU${noArm === undefined ? '' : ` (${noArm})`}`, () => {
  const ARGS = ['-M', 'virt', '-cpu', 'cortex-a57', '-smp', '2', '-m', '64M', '-S']

  it('has the general registers from the monitor and those of the system from the stub', async () => {
    const qemu = await start(ARGS, 'qemu-system-aarch64')
    const control = await controlOf(qemu)
    await control.writeRegisters(1, { x3: 0x1122334455667788n, pc: 0x40000000n })
    const [cpu] = await control.registers(1)
    const text = await qemu.monitor.human('info registers -a')
    expect(text.split('CPU#1')[1]).toContain('X03=1122334455667788')
    expect(cpu!.registers).toMatchObject({ x3: 0x1122334455667788n, pc: 0x40000000n, x30: 0n, ttbr0_el1: 0n })
    expect(cpu!.registers['sctlr_el1']).toBeGreaterThan(0n)
    expect((await runState(qemu.monitor)).status).toBe('prelaunch')
  })

  it('lacks those of the system while a debugger is connected: absent, not zero', async () => {
    const qemu = await start(
      folder => [...ARGS, '-gdb', `unix:${folder}/gdb,server=on,wait=off`],
      'qemu-system-aarch64',
    )
    const { address } = (await findStub(qemu.monitor, qemu.pid)) ?? {}
    const other = await GdbStub.open(address!)
    open.push(async () => other.close())
    const [cpu] = await (await controlOf(qemu)).registers(0)
    expect(cpu!.registers).toMatchObject({ pc: 0n, x0: 0n })
    expect(cpu!.registers).not.toHaveProperty('ttbr0_el1')
  })
})
