/** Control of guests of other architectures; `npm run test:live` boots them. */
import { lastValueFrom, take, toArray } from 'rxjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openControl } from '../../../src/coordinator/guest-control.js'
import { guestEvents } from '../../../src/coordinator/guest-events.js'
import type { GuestControl } from '../../../src/qemu/control.js'
import type { EventRequest, GuestEvent } from '../../../src/qemu/events.js'
import { findStub } from '../../../src/qemu/gdbstub-server.js'
import { instructionAddress } from '../../../src/qemu/registers.js'
import { runState } from '../../../src/qemu/run-state.js'
import { labAvailable } from '../../lab/available.js'
import { bootLabGuest, type LabGuest, type LabOptions } from '../../lab/guest.js'
import { matrixGuest } from '../../lab/guests.js'
import { fetchKernel } from '../../lab/kernel.js'
import { qemuRegisterFields } from '../../lab/register-fields.js'

const lab = await labAvailable()
const reason =
  process.env.VMSIFT_LIVE === '1' ? (lab.ok ? undefined : lab.reason) : 'npm run test:live boots these guests'
const LONG = { timeout: 30_000, interval: 20 }

const GUESTS: readonly {
  readonly name: string
  readonly symbol: RegExp
  readonly options?: Partial<LabOptions>
}[] = [
  { name: 'i386-pae', symbol: /^(__ia32_)?sys_sethostname$/ },
  { name: 'i386-nonpae', symbol: /^(__ia32_)?sys_sethostname$/ },
  { name: 'arm64-4k', symbol: /^__arm64_sys_sethostname$/, options: { cpus: 2 } },
  { name: 'amd64-6.1-pti', symbol: /^__x64_sys_sethostname$/, options: { cpus: 2 } },
]

for (const { name, symbol, options } of GUESTS)
  describe.skipIf(reason !== undefined)(
    `control of ${name}${reason === undefined ? '' : ` (${reason})`}`,
    () => {
      let guest: LabGuest
      let control: GuestControl
      let address: bigint
      let arm: boolean

      beforeAll(async () => {
        const { kernel, options: matrix } = matrixGuest(name)
        guest = await bootLabGuest({ ...matrix, rich: false, ...options, kernel: await fetchKernel(kernel) })
        arm = guest.kernel.architecture === 'arm64'
        const line = (await guest.kallsyms())
          .split('\n')
          .find(text => symbol.test(text.split(/\s+/)[2] ?? ''))
        address = BigInt(`0x${line!.split(/\s+/)[0]}`)
        control = await openControl(`qemu:${guest.qmpPath}`)
      }, 500_000)
      afterAll(async () => {
        await control?.[Symbol.asyncDispose]()
        await guest?.[Symbol.asyncDispose]()
      })

      const events = (request: EventRequest, count: number): Promise<GuestEvent[]> =>
        lastValueFrom(guestEvents(control, request).pipe(take(count), toArray()))
      const set = (): Promise<void> =>
        expect
          .poll(
            async () =>
              (await findStub(guest.qmp, guest.pid))?.connected === true &&
              (await runState(guest.qmp)).running,
            LONG,
          )
          .toBe(true)
      const put = async (): Promise<void> => {
        await expect
          .poll(async () => (await findStub(guest.qmp, guest.pid))?.connected ?? false, LONG)
          .toBe(false)
        await expect.poll(async () => (await runState(guest.qmp)).running, LONG).toBe(true)
      }

      it('has the registers that QEMU prints', async () => {
        await using _pause = await control.pause()
        const cpus = await control.registers()
        const text = await guest.qmp.human('info registers -a')
        if (!arm) {
          expect(cpus.map(({ registers }) => ({ ...registers }))).toEqual(qemuRegisterFields(text))
          return
        }
        const parts = text.split(/^CPU#\d+\s*$/m).slice(1)
        expect(cpus).toHaveLength(parts.length)
        cpus.forEach(({ registers }, vcpu) => {
          const told = [...parts[vcpu]!.matchAll(/\b(PC|SP|X\d\d|PSTATE)=([0-9a-f]+)/g)]
          expect(told).toHaveLength(34)
          for (const [, key = '', value] of told)
            expect([key, registers[key.toLowerCase().replace(/^x0/, 'x')]]).toEqual([
              key,
              BigInt(`0x${value}`),
            ])
          // the kernel's half translates: its table has an address, and no register of it is made up
          expect(registers['ttbr1_el1']).toBeGreaterThan(0n)
          expect(registers['tcr_el1']).toBeGreaterThan(0n)
        })
      })

      it('tells a breakpoint each time, steps behind it, and runs on without it', async () => {
        const wanted = events({ breakpoints: [address], steps: 2 }, 6)
        await set()
        await guest.shell('hostname one')
        // an unsubscription in the middle of the second call's steps would be as good
        const [shell, seen] = await Promise.all([guest.shell('hostname two'), wanted])
        expect(shell).toBe('')
        expect(seen.map(({ kind }) => kind)).toEqual(['break', 'step', 'step', 'break', 'step', 'step'])
        for (const event of seen) expect(instructionAddress(event.registers)).toBe(event.address)
        expect([seen[0]!.address, seen[3]!.address]).toEqual([address, address])
        expect(seen[1]!.address).not.toBe(address)
        await put()
        await guest.shell('hostname three')
        expect(await guest.shell('hostname')).toBe('three')
      })

      it('tells each tick of a counter', async () => {
        const ticker = guest.truth.markers.find(({ encoding }) => encoding === 'counter')!
        const { gva } = ticker.parts[0]!
        const values: number[] = []
        await new Promise<void>((resolve, reject) => {
          const subscription = guestEvents(control, {
            watchpoints: [{ address: gva, length: 4, access: 'w' }],
          }).subscribe({
            next: event => {
              const work = async (): Promise<void> => {
                await using held = event.hold()
                expect(event).toMatchObject({ kind: 'watch', address: gva, access: 'w' })
                const bytes = await held.debugger.readMemory(event.vcpu, gva, 4)
                values.push(bytes!.readUInt32LE())
                if (values.length < 4) return
                subscription.unsubscribe()
                resolve()
              }
              work().catch(reject)
            },
            error: reject,
          })
        })
        await put()
        expect(values.map(value => value - values[0]!)).toEqual([0, 1, 2, 3])
      })

      it('writes registers and reads them back', async () => {
        await using _pause = await control.pause()
        const register = arm ? 'x20' : name.startsWith('i386') ? 'esi' : 'r12'
        const [before] = await control.registers(0)
        await control.writeRegisters(0, { [register]: 0x12345678n })
        expect((await control.registers(0))[0]!.registers).toEqual({
          ...before!.registers,
          [register]: 0x12345678n,
        })
        await control.writeRegisters(0, { [register]: before!.registers[register]! })
        expect(await control.registers(0)).toEqual([before])
      })
    },
  )
