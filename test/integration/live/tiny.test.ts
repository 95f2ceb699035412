/** A guest without a kernel under each accelerator: KVM runs it where it runs no stock kernel. */
import { setTimeout as sleep } from 'node:timers/promises'
import { lastValueFrom, toArray } from 'rxjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  isLive,
  isWritable,
  openControl,
  openTarget,
  type ResidentMatchEvent,
  scan,
} from '../../../src/index.js'
import { openAddressSpace } from '../../../src/paging/address-space.js'
import { pagingMode } from '../../../src/paging/modes.js'
import type { BareQemu } from '../../lab/bare-qemu.js'
import { translations } from '../../lab/qemu-view.js'
import { qemuRegisterFields } from '../../lab/register-fields.js'
import { noTinyGuest, startTinyGuest, TINY } from '../../lab/tiny-guest.js'

const GUESTS = [
  { accelerator: 'tcg', backend: 'memfd' },
  { accelerator: 'kvm', backend: 'ram' },
  { accelerator: 'tcg', backend: 'ram' },
  { accelerator: 'kvm', backend: 'memfd' },
] as const
/** The others with `npm run test:live`. */
const ALWAYS = 2

for (const [index, { accelerator, backend }] of GUESTS.entries()) {
  const later = index >= ALWAYS && process.env.VMSIFT_LIVE !== '1' ? 'npm run test:live starts it' : undefined
  const missing = later ?? (await noTinyGuest(accelerator))
  const title = `a guest without a kernel under ${accelerator}, ${backend}`
  describe.skipIf(missing !== undefined)(`${title}${missing ? ` (skipped: ${missing})` : ''}`, () => {
    let guest: BareQemu
    let target: string
    beforeAll(async () => {
      guest = await startTinyGuest(accelerator, backend)
      target = `qemu:${guest.qmpPath}`
    })
    afterAll(async () => {
      await guest?.[Symbol.asyncDispose]()
    })

    const word = async (gpa: number): Promise<bigint> => {
      using opened = await openTarget(target)
      return Buffer.from(opened.memory.window(gpa, 8).bytes).readBigUInt64LE()
    }

    it('is read in the best way, and its counter counts', async () => {
      using opened = await openTarget(target)
      if (!isLive(opened)) throw new Error('it is live')
      expect([opened.access, opened.mapped]).toEqual(
        backend === 'ram' ? ['process', false] : ['shared', true],
      )
      expect(opened.runs).toContainEqual({ gpa: 0, length: TINY.memoryBytes })
      const before = await word(TINY.counterAt)
      await expect.poll(() => word(TINY.counterAt)).toBeGreaterThan(before)
    })

    it.each([false, true])('is scanned, paused: %s', async pause => {
      using opened = await openTarget(target)
      const patterns = [{ kind: 'text' as const, text: TINY.text }]
      const events = await lastValueFrom(scan(opened, { patterns, pause, space: 'physical' }).pipe(toArray()))
      const found = events.filter((event): event is ResidentMatchEvent => event.type === 'match')
      // the firmware has it too, at both of its places
      expect(found.filter(({ gpa }) => gpa >= 1 << 20 && gpa < TINY.memoryBytes)).toMatchObject([
        { gpa: TINY.textAt, stable: true },
      ])
      const consistency = pause ? { changedPages: 0 } : { sampledPages: 4096 }
      expect(events.at(-1)).toMatchObject({ type: 'summary', complete: true, consistency })
    })

    it.each([false, true])('is searched by rules, paused: %s', async pause => {
      using opened = await openTarget(target)
      const source = `rule found { strings: $a = "${TINY.text}" condition: $a at ${TINY.textAt} }`
      const patterns = [{ kind: 'yara' as const, source }]
      const events = await lastValueFrom(scan(opened, { patterns, pause, space: 'physical' }).pipe(toArray()))
      const found = events.filter((event): event is ResidentMatchEvent => event.type === 'match')
      expect(found.map(({ gpa, stable }) => ({ gpa, stable }))).toEqual([
        { gpa: TINY.textAt, stable: pause ? true : undefined },
      ])
      expect(events.at(-1)).toMatchObject({ type: 'summary', complete: true, rules: 1 })
    })

    it('stands still while it is paused', async () => {
      using opened = await openTarget(target)
      await using control = await openControl(opened)
      const count = () => Buffer.from(opened.memory.window(TINY.counterAt, 8).bytes).readBigUInt64LE()
      await using pause = await control.pause()
      const still = count()
      expect(still).toBeGreaterThan(0n)
      await sleep(50)
      expect(count()).toBe(still)
      await pause.resume()
      await expect.poll(count).toBeGreaterThan(still)
    })

    it('sees what is written', async () => {
      using opened = await openTarget(target, { allowWrite: true })
      const { memory } = opened
      if (!isWritable(memory)) throw new Error('it can not be written to')
      const value = 0x0123_4567_89ab_cdefn
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(value)
      memory.write(TINY.copiedFrom, bytes)
      await expect.poll(() => word(TINY.copiedTo)).toBe(value)
    })

    it('has the registers that QEMU prints', async () => {
      await using control = await openControl(target)
      await using _pause = await control.pause()
      const [cpu] = await control.registers()
      expect(cpu?.registers).toMatchObject({ r12: TINY.r12, cr3: BigInt(TINY.dtb), efer: 0x500n })
      const [told] = qemuRegisterFields(await guest.monitor.human('info registers -a'))
      expect({ ...cpu?.registers }).toEqual(told)
    })

    it('is translated as QEMU does it', async () => {
      using opened = await openTarget(target)
      const space = openAddressSpace(opened.memory, { mode: pagingMode('x86_64'), dtb: TINY.dtb })
      const addresses = [0, 0x1234, 0x300000, TINY.memoryBytes - 1, TINY.memoryBytes, 0xffff_fff0].flatMap(
        address => [BigInt(address), TINY.upperHalf + BigInt(address)],
      )
      const ours = addresses.map(gva => {
        const place = space.translate(gva)
        return place.kind === 'mapped' ? { gva, gpa: place.gpa } : { gva }
      })
      expect(ours).toEqual(await translations(guest.monitor, addresses))
    })
  })
}
