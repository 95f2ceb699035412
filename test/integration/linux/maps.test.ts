import { describe, expect, test } from 'vitest'
import { maps } from '../../../src/os/linux/maps.js'
import { processes } from '../../../src/os/linux/processes.js'
import { type DemoGuest, openDemo } from '../../helpers/demo-kernel.js'

function mmOf(guest: DemoGuest, pid: number): bigint {
  const mm = processes(guest.kernel, guest.memory).items.find(item => item.pid === pid)?.mmAddress
  if (mm === undefined) throw new Error(`no process ${pid}`)
  return mm
}

describe('mappings of a real process', () => {
  test('are those that /proc/PID/maps prints', async () => {
    const guest = await openDemo()
    const { items, problems } = maps(guest.kernel, mmOf(guest, 78))
    expect(problems).toEqual([])
    const lines = items.map(
      ({ start, end, flags, path }) => `${start.toString(16)}-${end.toString(16)} ${flags} ${path}`,
    )
    expect(lines).toEqual([
      '400000-401000 r--p /init',
      '401000-47d000 r-xp /init',
      '47d000-4a5000 r--p /init',
      '4a5000-4a9000 r--p /init',
      '4a9000-4ac000 rw-p /init',
      '4ac000-4b2000 rw-p ',
      '35dd1000-35df3000 rw-p [heap]',
      '7f8d34875000-7f8d348b5000 rw-p ',
      '7ffd15396000-7ffd153b7000 rw-p [stack]',
      '7ffd153c7000-7ffd153cb000 r--p [vvar]',
      '7ffd153cb000-7ffd153cd000 r-xp [vdso]',
    ])
    expect(items.map(({ kind }) => kind).slice(5)).toEqual([
      'anonymous',
      'heap',
      'anonymous',
      'stack',
      'special',
      'special',
    ])
    expect(items[2]).toMatchObject({ offset: 0x7d000, device: '00:02', inode: 13 })
    expect(items[6]).not.toHaveProperty('inode')
  })

  test('a process without memory has none', async () => {
    const guest = await openDemo()
    expect(maps(guest.kernel, undefined)).toEqual({ items: [], problems: [] })
  })
})

describe('hostile mappings', () => {
  test('a descriptor that is not there is told', async () => {
    const guest = await openDemo()
    expect(maps(guest.kernel, 0xffff_8000_0000_0000n).problems[0]?.kind).toBe('absent')
    expect(maps(guest.kernel, 0x1000n).problems[0]?.kind).toBe('absent')
  })

  test('a tree whose root points back at itself, or to garbage, gives what can be read', async () => {
    const guest = await openDemo()
    const mm = mmOf(guest, 78)
    const root = mm + guest.offset('mm_struct', 'mm_mt') + guest.offset('maple_tree', 'ma_root')
    const entry = guest.structs.pointer(root) ?? 0n
    for (const value of [
      mm | 2n,
      (entry & ~0xffn) | (1n << 3n) | 2n,
      (entry & ~0xffn) | (7n << 3n) | 2n,
      0xffff_ffff_ffff_ffffn,
      6n,
    ]) {
      guest.pointer(root, value)
      const { problems } = maps(guest.kernel, mm)
      expect(problems.length).toBeGreaterThan(0)
    }
  })

  test('a mapping that is none of this process, or ends before it starts, is left out and told', async () => {
    const guest = await openDemo()
    const mm = mmOf(guest, 78)
    const { items } = maps(guest.kernel, mm)
    guest.pointer((items[0]?.address ?? 0n) + guest.offset('vm_area_struct', 'vm_end'), 0x1000n)
    guest.pointer((items[1]?.address ?? 0n) + guest.offset('vm_area_struct', 'vm_mm'), mm + 8n)
    const changed = maps(guest.kernel, mm)
    expect(changed.items).toEqual(items.slice(2))
    expect(changed.problems.map(({ kind }) => kind)).toEqual(['broken', 'broken', 'broken'])
  })

  test('a file that is not there leaves the path empty', async () => {
    const guest = await openDemo()
    const mm = mmOf(guest, 78)
    const { items } = maps(guest.kernel, mm)
    guest.pointer(
      (items[0]?.address ?? 0n) + guest.offset('vm_area_struct', 'vm_file'),
      0xffff_8000_0000_1000n,
    )
    expect(maps(guest.kernel, mm).items[0]).toMatchObject({ flags: 'r--p', path: '', kind: 'file' })
  })
})
