import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTarget, type Target } from '../../src/coordinator/target.js'
import type { LinuxGuest } from '../../src/introspect/linux-guest.js'
import { openLinuxGuest } from '../../src/introspect/open.js'
import { tlbCounts } from '../../src/paging/shared-tlb.js'

/** The real guest that ships with the project: everything here is read from its memory. */
const IMAGE = new URL('../../examples/guest.kdump', import.meta.url).pathname

describe('introspection of a real guest', () => {
  let target: Target
  let guest: LinuxGuest

  beforeAll(async () => {
    target = await openTarget(IMAGE)
    guest = await openLinuxGuest(target)
  })

  afterAll(() => {
    guest[Symbol.dispose]()
    target[Symbol.dispose]()
  })

  it('reads the banner by symbol, by address and by where it stands in physical memory', () => {
    const address = guest.addressOf('linux_banner') ?? 0n
    const banner = guest.reader({ kind: 'kernel' }).cString(address)
    expect(banner).toMatch(/^Linux version 6\./)
    expect(banner?.trimEnd()).toBe(guest.kernel.banner.trimEnd())
    const place = guest.kernelSpace.translate(address)
    expect(place.kind).toBe('mapped')
    const gpa = place.kind === 'mapped' ? BigInt(place.gpa) : 0n
    expect(guest.reader({ kind: 'physical' }).cString(gpa)).toBe(banner)
    expect(guest.reader({ kind: 'dtb', dtb: guest.kernel.dtb }).cString(address)).toBe(banner)
  })

  it('finds the symbol at or below an address', () => {
    const address = guest.addressOf('linux_banner') ?? 0n
    const near = guest.nearest(address + 3n)
    expect(near).toMatchObject({ symbol: { address }, offset: 3 })
    expect(guest.addressOf('no_such_symbol')).toBeUndefined()
  })

  it('goes from pid to page table and back', () => {
    const dtb = guest.pidToDtb(1) ?? 0
    expect(guest.dtbToPids(dtb)).toEqual([1])
    expect(guest.process(1)).toMatchObject({ pid: 1, ppid: 0, name: 'init', uid: 0 })
    expect(guest.pidToDtb(2)).toBeUndefined()
    expect(() => guest.space({ kind: 'process', pid: 2 })).toThrow(/process 2 is a kernel thread/)
    expect(() => guest.process(99_999)).toThrow(/there is no process 99999/)
  })

  it('tells where members lie, and reads a task by them', () => {
    const comm = guest.member('task_struct', 'comm')
    const task = guest.addressOf('init_task') ?? 0n
    expect(comm?.bytes).toBe(16)
    expect(guest.reader({ kind: 'kernel' }).cString(task + BigInt(comm?.offset ?? 0), 16)).toBe('swapper/0')
    expect(guest.member('task_struct', 'no.such.member')).toBeUndefined()
  })

  it('reads many places at once, absent ones too, in the order they were asked for', () => {
    const address = guest.addressOf('linux_banner') ?? 0n
    const [absent, there] = guest.reader({ kind: 'kernel' }).readMany([
      { address: 0x1000n, length: 4 },
      { address, length: 5 },
    ])
    expect(absent?.absent).toEqual([{ va: 0x1000n, length: 4, reason: 'not-present' }])
    expect(Buffer.from(there?.bytes ?? []).toString()).toBe('Linux')
  })

  it('writes to an overlay, which the kernel’s own lists then show, and never to the snapshot', () => {
    expect(() => guest.writer({ kind: 'kernel' })).toThrow(/never written/)
    using copy = guest.overlay()
    const comm = guest.process(1).address + BigInt(guest.member('task_struct', 'comm')?.offset ?? 0)
    expect(copy.writer({ kind: 'kernel' }).write(comm, Buffer.from('changed\0'))).toEqual([])
    expect(copy.process(1).name).toBe('changed')
    expect(guest.process(1).name).toBe('init')
    expect(copy.writer({ kind: 'process', pid: 1 }).u32(0x10n, 1)).toEqual([
      { va: 0x10n, length: 4, reason: 'not-present' },
    ])
  })

  it('sees a page table that was written, by its physical address too, at the next read', () => {
    using copy = guest.overlay()
    const kernel = copy.reader({ kind: 'kernel' })
    const address = copy.addressOf('linux_banner') ?? 0n
    expect(kernel.u8(address)).toBe('L'.charCodeAt(0))
    const { gpa } = copy.kernelSpace.walk(address).levels.at(-1) ?? { gpa: 0 }
    copy.writer({ kind: 'physical' }).u64(BigInt(gpa), 0n)
    expect(kernel.u8(address)).toBeUndefined()
    expect(guest.reader({ kind: 'kernel' }).u8(address)).toBe('L'.charCodeAt(0))
  })

  it('walks page tables once for structures that share a page', () => {
    const before = tlbCounts(guest.memory)
    guest.processes()
    guest.processes()
    const { hits, misses } = tlbCounts(guest.memory)
    expect(hits - before.hits).toBeGreaterThan(10 * (misses - before.misses))
  })
})
