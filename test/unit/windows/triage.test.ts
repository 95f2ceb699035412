import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DetectionCache } from '../../../src/coordinator/detection-cache.js'
import { openTarget } from '../../../src/coordinator/target.js'
import { openLinuxGuest, openWindowsGuest } from '../../../src/introspect/open.js'
import { WINDOWS_DATA, windowsData } from '../../helpers/windows-data.js'

const X64 = windowsData('dumps/triage_x64.dmp')
const ARM64 = windowsData('dumps/triage_arm64.dmp')
const ISF = windowsData('isf/ntkrnlmp.pdb/5278AFF86C341677D7D7835C85B7B844-1.json.xz')
const cache = new DetectionCache(undefined)

describe('the guest of a real triage dump', () => {
  it.skipIf(X64 === undefined)('is Windows 10 19041: System is read out of its structure', async () => {
    using target = await openTarget(X64 ?? '')
    using guest = await openWindowsGuest(target, { cache })
    const { kernel } = guest
    expect(kernel).toMatchObject({
      release: '10.0.19041',
      kernelBase: 0xfffff8047ba00000n,
      paging: undefined,
    })
    expect(kernel.places.processHead?.address).toBe(0xfffff8047c61e200n)
    const system = guest.processes().items.find(({ pid }) => pid === 4)
    expect(system).toMatchObject({ pid: 4, ppid: 0, name: 'System', threads: 147, wow64: false })
    expect(new Date((system?.createTime ?? 0) * 1000).toISOString()).toBe('2021-02-21T01:38:22.069Z')
    expect(guest.modules().items).toHaveLength(151)
    expect(guest.modules().items[0]).toMatchObject({ name: 'ntoskrnl.exe', base: 0xfffff8047ba00000n })
    expect(() => guest.space({ kind: 'process', pid: 4 })).toThrow('no page tables')
    await expect(openLinuxGuest(target, { cache })).rejects.toThrow('is a Windows guest')
  })

  it.skipIf(X64 === undefined || ISF === undefined)(
    'has the same members by its exact symbol file',
    async () => {
      using target = await openTarget(X64 ?? '')
      using guest = await openWindowsGuest(target, { cache })
      using exact = await openWindowsGuest(target, { cache, symbols: ISF ?? '' })
      expect(exact.kernel.symbolFile).toBe(true)
      expect(exact.kernel.disagreements).toEqual([])
      expect(exact.addressOf('PsActiveProcessHead')).toBe(0xfffff8047c61e200n)
      expect(exact.addressOf('PsLoadedModuleList')).toBe(0xfffff8047c62a390n)
      const told = new Map(guest.kernel.origins.map(({ member, offset }) => [member, offset]))
      let compared = 0
      for (const { member, offset } of exact.kernel.origins) {
        expect({ member, offset: told.get(member) }).toEqual({ member, offset })
        compared++
      }
      expect(compared).toBeGreaterThan(10)
      expect(exact.processes().items).toEqual(guest.processes().items)
    },
  )

  it.skipIf(ARM64 === undefined)('is Windows 11 22000 on arm64, as far as the dump tells', async () => {
    using target = await openTarget(ARM64 ?? '')
    using guest = await openWindowsGuest(target, { cache })
    expect(guest.kernel).toMatchObject({ release: '10.0.22000', architecture: 'aarch64' })
    expect(guest.modules().items.length).toBe(245)
    const system = guest.processes().items.find(({ pid }) => pid === 4)
    expect(system).toMatchObject({ pid: 4, ppid: 0, name: 'System', threads: 291 })
    expect(new Date((system?.createTime ?? 0) * 1000).toISOString()).toBe('2021-09-14T02:38:45.722Z')
    // nothing but processes: what the dump lacks is left out
    expect(guest.processes().items.every(({ pid, ppid }) => pid % 4 === 0 && ppid < 2 ** 26)).toBe(true)
  })

  it.skipIf(X64 === undefined)('takes no symbol file of another kernel', async () => {
    using target = await openTarget(X64 ?? '')
    const profile = join(WINDOWS_DATA, 'rekall/ntoskrnl.pdb.32962337f0f646388b39535cd8dd70e82.rekall.json')
    await expect(openWindowsGuest(target, { cache, symbols: profile })).rejects.toThrow(/symbol file is for/)
  })
})
