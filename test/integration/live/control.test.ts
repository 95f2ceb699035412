/** Control of a real guest: registers, steps, breakpoints and watchpoints, compared with what QEMU and the guest say. */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lastValueFrom, take, toArray } from 'rxjs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openControl } from '../../../src/coordinator/guest-control.js'
import { guestEvents } from '../../../src/coordinator/guest-events.js'
import type { GuestControl } from '../../../src/qemu/control.js'
import type { EventRequest, GuestEvent } from '../../../src/qemu/events.js'
import { findStub } from '../../../src/qemu/gdbstub-server.js'
import { openStubSession } from '../../../src/qemu/gdbstub-session.js'
import { stubRegisters } from '../../../src/qemu/registers-stub.js'
import { runState } from '../../../src/qemu/run-state.js'
import { runCli, startCli } from '../../cli/run-cli.js'
import { labAvailable } from '../../lab/available.js'
import { bootLabGuest, type LabGuest } from '../../lab/guest.js'
import { qemuRegisterFields } from '../../lab/register-fields.js'
import { type StopClock, stopClock } from '../../lab/stop-clock.js'

const lab = await labAvailable()
const why = lab.ok ? '' : ` (${lab.reason})`
const EPERM = 1n
const LONG = { timeout: 20_000, interval: 20 }

describe.skipIf(!lab.ok)(`control of a lab guest${why}`, () => {
  let guest: LabGuest
  let kallsyms: ReadonlyMap<string, bigint>
  let control: GuestControl
  let stops: StopClock
  let clock = ''

  beforeAll(async () => {
    clock = join(tmpdir(), `vmsift-test-${process.pid}-clock`)
    guest = await bootLabGuest({
      memoryMb: 144,
      cpus: 2,
      hugePages: 0,
      accelerator: 'tcg',
      qemuArgs: ['-qmp', `unix:${clock},server=on,wait=off`],
    })
    stops = await stopClock(clock)
    kallsyms = new Map(
      (await guest.kallsyms()).split('\n').map(text => {
        const [address = '0', , name = ''] = text.split(/\s+/)
        return [name, BigInt(`0x${address}`)] as const
      }),
    )
    control = await openControl(`qemu:${guest.qmpPath}`)
  })
  afterAll(async () => {
    stops?.close()
    await control?.[Symbol.asyncDispose]()
    await guest?.[Symbol.asyncDispose]()
    await rm(clock, { force: true })
  })
  afterEach(async () => {
    expect(await findStub(guest.qmp, guest.pid)).toBeUndefined()
    expect(await runState(guest.qmp)).toEqual({ running: true, status: 'running' })
  })

  const symbol = (name: string): bigint => {
    const address = kallsyms.get(name)
    if (address === undefined) throw new Error(`the guest has no symbol ${name}`)
    return address
  }
  const events = (request: EventRequest, count: number): Promise<GuestEvent[]> =>
    lastValueFrom(guestEvents(control, request).pipe(take(count), toArray()))
  /** Resolves when the points of a subscription are set: the guest runs again. */
  const set = async (): Promise<void> => {
    const ready = async (): Promise<boolean> =>
      (await findStub(guest.qmp, guest.pid))?.connected === true && (await runState(guest.qmp)).running
    await expect.poll(ready, LONG).toBe(true)
  }
  /** Until unsubscribing has put the guest back. */
  const put = (): Promise<void> =>
    expect.poll(async () => (await findStub(guest.qmp, guest.pid)) === undefined, LONG).toBe(true)

  it("has the registers that QEMU's info registers prints, every field of every vcpu", async () => {
    await using _pause = await control.pause()
    const expected = qemuRegisterFields(await guest.qmp.human('info registers -a'))
    const cpus = await control.registers()
    expect(cpus.map(({ vcpu }) => vcpu)).toEqual([0, 1])
    expect(cpus.map(({ registers }) => ({ ...registers }))).toEqual(expected)
    expect(Object.keys(cpus[0]!.registers).length).toBeGreaterThan(60)
    expect(await control.registers(1)).toEqual([cpus[1]])
    await expect(control.registers(2)).rejects.toMatchObject({ code: 'out-of-range' })
  })

  it('has the same registers through the gdbstub, where both tell one', async () => {
    await using _pause = await control.pause()
    await using session = await openStubSession(guest.qmp, { pid: guest.pid })
    for (const { vcpu, registers } of await control.registers()) {
      const stub = await stubRegisters(session.stub, vcpu)
      const both = Object.keys(stub).filter(name => name in registers)
      expect(both.length).toBeGreaterThan(30)
      for (const name of both) expect([name, stub[name]]).toEqual([name, registers[name]])
    }
  })

  it('writes registers and reads them back, and leaves others alone', async () => {
    await using _pause = await control.pause()
    const [before] = await control.registers(1)
    const { r13 = 0n, rax = 0n } = before!.registers
    await control.writeRegisters(1, { r13: 0x1122334455667788n, rax: 0xffffffffffffffffn })
    const [after] = await control.registers(1)
    expect(after!.registers).toEqual({
      ...before!.registers,
      r13: 0x1122334455667788n,
      rax: 0xffffffffffffffffn,
    })
    await control.writeRegisters(1, { r13, rax })
    expect(await control.registers(1)).toEqual([before])
  })

  it('refuses registers that there are not, and values that do not fit, before anything is written', async () => {
    await using _pause = await control.pause()
    const [before] = await control.registers(0)
    await expect(control.writeRegisters(0, { rbx: 1n, xyz: 1n })).rejects.toMatchObject({
      code: 'bad-argument',
    })
    await expect(control.writeRegisters(0, { rbx: 1n, rflags: 1n << 40n })).rejects.toMatchObject({
      code: 'bad-argument',
    })
    expect(await control.registers(0)).toEqual([before])
  })

  it('tells a breakpoint on a function of the kernel each time the guest calls it, and only then', async () => {
    const address = symbol('__x64_sys_sethostname')
    const seen: GuestEvent[] = []
    const subscription = guestEvents(control, { breakpoints: [address] }).subscribe(event => seen.push(event))
    await set()
    for (const name of ['one', 'two', 'three']) {
      await guest.shell(`hostname ${name}`)
      expect(await guest.shell('hostname')).toBe(name)
    }
    subscription.unsubscribe()
    await put()
    expect(seen.map(({ kind, address: at, registers }) => [kind, at, registers['rip']])).toEqual(
      Array.from({ length: 3 }, () => ['break', address, address]),
    )
    // the guest runs on without it
    await guest.shell('hostname four')
    expect(seen).toHaveLength(3)
  })

  it('steps an instruction at a time after a breakpoint', async () => {
    const address = symbol('__x64_sys_sethostname')
    const wanted = events({ breakpoints: [address], steps: 4 }, 5)
    await set()
    const shell = guest.shell('hostname five')
    const [first, ...steps] = await wanted
    await shell
    expect(first).toMatchObject({ kind: 'break', address })
    let before = address
    for (const step of steps) {
      expect(step.kind).toBe('step')
      expect(step.registers['rip']).toBe(step.address)
      expect(step.address).not.toBe(before)
      before = step.address
    }
    expect(steps[0]!.address - address).toBeGreaterThan(0n)
    expect(steps[0]!.address - address).toBeLessThan(16n)
    await put()
  })

  it('holds the guest at an event, whose handler makes a system call fail by writing registers', async () => {
    const subscription = guestEvents(control, { breakpoints: [symbol('__x64_sys_sethostname')] }).subscribe(
      event => {
        const work = async (): Promise<void> => {
          await using held = event.hold()
          const { rsp = 0n } = event.registers
          const top = await held.debugger.readMemory(event.vcpu, rsp, 8)
          // as if the function had returned at once
          await held.debugger.writeRegisters(event.vcpu, {
            rip: top!.readBigUInt64LE(),
            rsp: rsp + 8n,
            rax: BigInt.asUintN(64, -EPERM),
          })
        }
        void work()
      },
    )
    await set()
    await expect(guest.shell('hostname six')).rejects.toThrow(/not permitted/)
    subscription.unsubscribe()
    await put()
    expect(await guest.shell('hostname')).toBe('five')
    await guest.shell('hostname six')
  })

  it('tells a watchpoint on a counter each time it ticks', async () => {
    const ticker = guest.truth.markers.find(({ encoding }) => encoding === 'counter')!
    const address = ticker.parts[0]!.gva
    const values: bigint[] = []
    const done = new Promise<void>((resolve, reject) => {
      const subscription = guestEvents(control, {
        watchpoints: [{ address, length: 8, access: 'w' }],
      }).subscribe({
        next: event => {
          const work = async (): Promise<void> => {
            await using held = event.hold()
            expect(event).toMatchObject({ kind: 'watch', address, access: 'w' })
            const bytes = await held.debugger.readMemory(event.vcpu, address, 8)
            values.push(bytes!.readBigUInt64LE())
            if (values.length < 4) return
            subscription.unsubscribe()
            resolve()
          }
          work().catch(reject)
        },
        error: reject,
      })
    })
    await done
    await put()
    expect(values.map(value => value - values[0]!)).toEqual([0n, 1n, 2n, 3n])
  })

  it('tells reads of memory', async () => {
    const address = symbol('linux_proc_banner')
    const wanted = events({ watchpoints: [{ address, length: 4, access: 'r' }] }, 1)
    await set()
    await guest.shell('cat /proc/version')
    expect((await wanted)[0]).toMatchObject({ kind: 'watch', address, access: 'r' })
    await put()
  })

  it('steps a vcpu from where it stands', async () => {
    const seen = await events({ steps: 3, vcpu: 1 }, 3)
    await put()
    expect(seen.map(({ kind, vcpu }) => [kind, vcpu])).toEqual([
      ['step', 1],
      ['step', 1],
      ['step', 1],
    ])
    expect(new Set(seen.map(({ address }) => address)).size).toBe(3)
  })

  it('runs to an address, and tells when that never comes', async () => {
    const shell = sleep(100).then(() => guest.shell('hostname seven'))
    await control.debug(async debug => {
      const address = symbol('__x64_sys_sethostname')
      const vcpu = await debug.runTo(address, 20_000)
      expect(vcpu).toBeDefined()
      expect(await debug.address(vcpu!)).toBe(address)
      expect(await debug.runTo(symbol('panic'), 50)).toBeUndefined()
    })
    await shell
  })

  it('stands still for less than 20 ms when it is paused and nothing is done', async () => {
    stops.milliseconds.length = 0
    for (let i = 0; i < 31; i++) {
      await using _pause = await control.pause()
    }
    await expect.poll(() => stops.milliseconds.length, LONG).toBe(31)
    const sorted = [...stops.milliseconds].sort((a, b) => a - b)
    expect(sorted[15]).toBeLessThan(20)
    if (process.env.VMSIFT_FIGURES === '1')
      console.log(`stopped for ms: median ${sorted[15]}, least ${sorted[0]}, most ${sorted[30]}`)
  })

  it('leaves a guest paused that was paused before it was watched', async () => {
    {
      await using _pause = await control.pause()
      await events({ steps: 1 }, 1)
      await put()
      expect((await runState(guest.qmp)).running).toBe(false)
    }
  })

  it('goes on watching when somebody pauses the guest and lets it run again', async () => {
    const address = symbol('__x64_sys_sethostname')
    const wanted = events({ breakpoints: [address] }, 1)
    await set()
    await guest.qmp.execute('stop')
    await sleep(50)
    expect((await runState(guest.qmp)).running).toBe(false)
    await guest.qmp.execute('cont')
    await guest.shell('hostname eight')
    expect(await wanted).toHaveLength(1)
    await put()
  })

  it('refuses a second session, and does not disturb the first', async () => {
    const address = symbol('__x64_sys_sethostname')
    const wanted = events({ breakpoints: [address] }, 1)
    await set()
    await expect(control.debug(async () => undefined)).rejects.toMatchObject({ code: 'monitor-busy' })
    expect((await runState(guest.qmp)).running).toBe(true)
    await guest.shell('hostname nine')
    expect(await wanted).toHaveLength(1)
    await put()
  })

  it('refuses a breakpoint request that makes no sense', async () => {
    await expect(events({}, 1)).rejects.toMatchObject({ code: 'bad-argument' })
    await expect(events({ watchpoints: [{ address: 0n, length: 0, access: 'w' }] }, 1)).rejects.toMatchObject(
      { code: 'bad-argument' },
    )
    await expect(events({ steps: 1, vcpu: 9 }, 1)).rejects.toMatchObject({ code: 'out-of-range' })
    await put()
  })

  describe('on the command line', () => {
    // the QMP socket serves one client
    beforeAll(() => control[Symbol.asyncDispose]())

    const target = (): string => `qemu:${guest.qmpPath}`
    const json = (text: string): Record<string, unknown>[] =>
      text
        .trim()
        .split('\n')
        .map(each => JSON.parse(each) as Record<string, unknown>)

    it('pauses, prints registers and resumes', async () => {
      const paused = await runCli('pause', target(), '--json')
      expect(json(paused.stdout)).toEqual([{ target: target(), state: 'paused' }])
      expect((await runState(guest.qmp)).running).toBe(false)
      const expected = qemuRegisterFields(await guest.qmp.human('info registers -a'))
      const { stdout, code } = await runCli('regs', target(), '--json')
      expect(code).toBe(0)
      expect(json(stdout)).toEqual(
        expected.map((fields, vcpu) => ({
          vcpu,
          ...Object.fromEntries(
            Object.entries(fields).map(([name, value]) => [name, `0x${value.toString(16)}`]),
          ),
        })),
      )
      const resumed = await runCli('resume', target())
      expect([resumed.code, resumed.stdout]).toEqual([0, `${target()} is running\n`])
    })

    it('watches, and Ctrl-C leaves the guest running without breakpoints', async () => {
      const address = `0x${symbol('__x64_sys_sethostname').toString(16)}`
      const { child, result } = startCli(['watch', target(), '--break', address, '--json'])
      await set()
      const shell = guest.shell('hostname ten')
      await once(child.stdout!, 'data')
      child.kill('SIGINT')
      const { code, stdout } = await result
      await shell
      expect(code).toBe(130)
      expect(json(stdout)).toMatchObject([
        { type: 'event', kind: 'break', address, registers: { rip: address } },
      ])
      expect(await findStub(guest.qmp, guest.pid)).toBeUndefined()
    })

    it('is mended by resume after a watch was killed outright', async () => {
      const address = `0x${symbol('__x64_sys_sethostname').toString(16)}`
      const { child, result } = startCli(['watch', target(), '--break', address])
      await set()
      child.kill('SIGKILL')
      await result
      const shell = guest.shell('hostname eleven')
      await expect.poll(() => runState(guest.qmp), LONG).toEqual({ running: false, status: 'debug' })
      expect((await runCli('resume', target())).code).toBe(0)
      await shell
      expect(await guest.shell('hostname')).toBe('eleven')
    })

    it('does not pause a snapshot, in one line', async () => {
      const { code, stderr } = await runCli('pause', 'examples/guest.kdump')
      expect(code).toBe(2)
      expect(stderr.trim().split('\n')).toHaveLength(1)
    })
  })
})
