/** Files, sockets, mounts, log, environment, swap and page cache of a real guest, honest and corrupted. */
import { expect, test } from 'vitest'
import { kernelLog } from '../../../src/os/linux/dmesg.js'
import { environment } from '../../../src/os/linux/environment.js'
import { openFiles } from '../../../src/os/linux/files.js'
import { mounts } from '../../../src/os/linux/mounts.js'
import { PageCache } from '../../../src/os/linux/page-cache.js'
import { processes } from '../../../src/os/linux/processes.js'
import { sockets } from '../../../src/os/linux/sockets.js'
import { Swap } from '../../../src/os/linux/swap.js'
import { UserMemory } from '../../../src/os/linux/user-memory.js'
import { type DemoGuest, openDemo } from '../../helpers/demo-kernel.js'

/** The guest has 20480 frames. */
const FRAMES = 20_480

test('the first process has its files, mounts and environment, the kernel its log', async () => {
  const guest = await openDemo()
  const init = processes(guest.kernel, guest.memory).items.find(({ pid }) => pid === 1)
  if (init?.dtb === undefined || init.mmAddress === undefined) throw new Error('no first process')
  const files = openFiles(guest.kernel, init.address)
  expect(files.problems).toEqual([])
  expect(files.items.find(({ fd }) => fd === 1)).toMatchObject({
    path: '/dev/console',
    kind: 'character-device',
    access: 'rw',
  })
  const paths = mounts(guest.kernel, init.address).items.map(
    ({ mountPoint, type }) => `${type} ${mountPoint}`,
  )
  expect(paths).toEqual(['rootfs /', 'proc /proc', 'sysfs /sys'])
  const space = new UserMemory(guest.kernel, guest.memory).open(init.dtb)
  expect(environment(guest.kernel, init.mmAddress, space)).toEqual({
    kind: 'read',
    variables: expect.arrayContaining(['HOME=/', 'TERM=linux']),
    complete: true,
  })
  const log = kernelLog(guest.kernel)
  expect(log.problems).toEqual([])
  expect(log.items[0]?.text).toBe(guest.kernel.banner.trimEnd())
  expect(log.items.map(({ sequence }) => sequence)).toEqual(log.items.map((_, i) => i))
})

test('the log is found without its symbol where memory holds VMCOREINFO', async () => {
  const guest = await openDemo()
  const { symbols } = guest.kernel
  const blind = {
    ...guest.kernel,
    symbols: {
      ...symbols,
      addressOf: (name: string) => (name === 'prb' ? undefined : symbols.addressOf(name)),
    },
  }
  expect(kernelLog(blind).items).toEqual([])
  expect(kernelLog(blind, undefined, guest.memory).items).toEqual(kernelLog(guest.kernel).items)
})

test('frames of files name them, and hold their bytes', async () => {
  const guest = await openDemo()
  const cache = new PageCache(guest.kernel)
  const starts = new Map<string, string>()
  for (let gfn = 0; gfn < FRAMES; gfn++) {
    const owner = cache.owner(gfn)
    if (owner?.offset !== 0 || owner.path === undefined) continue
    starts.set(owner.path, Buffer.from(guest.memory.window(gfn * 4096, 4).bytes).toString('latin1'))
  }
  expect([...starts]).toEqual([
    ['/etc/shop.conf', '# se'],
    ['/home/ada/notes.txt', 'Note'],
    ['/init', '\x7fELF'],
  ])
  expect(cache.problems).toEqual([])
})

/** Structures worth breaking. */
function victims(guest: DemoGuest): { readonly address: bigint; readonly bytes: number }[] {
  const { types, symbols } = guest.kernel
  const found: { address: bigint; bytes: number }[] = []
  const add = (address: bigint | undefined, type: string): bigint | undefined => {
    if (address === undefined || address === 0n) return undefined
    found.push({ address, bytes: types.sizeOf(type) ?? 64 })
    return address
  }
  const follow = (
    address: bigint | undefined,
    type: string,
    member: string,
    to: string,
  ): bigint | undefined =>
    address === undefined ? undefined : add(guest.structs.pointer(address + guest.offset(type, member)), to)
  const listed = processes(guest.kernel, guest.memory).items
  for (const { address } of listed) {
    const table = follow(
      follow(address, 'task_struct', 'files', 'files_struct'),
      'files_struct',
      'fdt',
      'fdtable',
    )
    follow(table, 'fdtable', 'fd', 'list_head')
    follow(follow(address, 'task_struct', 'fs', 'fs_struct'), 'fs_struct', 'root.dentry', 'dentry')
    const proxy = follow(address, 'task_struct', 'nsproxy', 'nsproxy')
    follow(proxy, 'nsproxy', 'mnt_ns', 'mnt_namespace')
    for (const file of openFiles(guest.kernel, address).items) {
      add(file.address, 'file')
      const dentry = follow(file.address, 'file', 'f_path.dentry', 'dentry')
      const inode = follow(dentry, 'dentry', 'd_inode', 'inode')
      follow(inode, 'inode', 'i_sb', 'super_block')
    }
  }
  for (const { address } of mounts(guest.kernel, listed[0]?.address ?? 0n).items) add(address, 'mount')
  for (const { address } of sockets(guest.kernel, listed).items) add(address, 'sock')
  for (const name of ['tcp_hashinfo', 'udp_table', 'init_net', 'nl_table', 'swap_info', 'printk_rb_static'])
    add(symbols.addressOf(name), name === 'init_net' ? 'net' : 'printk_ringbuffer')
  return found
}

test('structures broken at random never throw, never hang, and never make lists without end', async () => {
  const found = victims(await openDemo())
  expect(found.length).toBeGreaterThan(100)
  let slowest = 0
  for (let seed = 1; seed <= 25; seed++) {
    const guest = await openDemo()
    let state = seed
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const pick = () => found[random(found.length)] as (typeof found)[number]
    for (let i = 0; i < 60; i++) {
      const { address, bytes } = pick()
      const at = address + BigInt(random(Math.max(1, bytes >> 3)) * 8)
      const other = pick()
      const values = [
        0n,
        1n,
        0xffff_ffff_ffff_ffffn,
        other.address,
        other.address + 8n,
        at,
        0x7fff_ffff_ffffn,
      ]
      guest.pointer(at, values[random(values.length)] as bigint)
    }
    const started = performance.now()
    const listed = processes(guest.kernel, guest.memory, { commandLines: false }).items
    for (const { address } of listed) {
      expect(openFiles(guest.kernel, address).items.length).toBeLessThanOrEqual(2 ** 17)
      expect(mounts(guest.kernel, address).items.length).toBeLessThanOrEqual(2 ** 17)
    }
    expect(sockets(guest.kernel, listed).items.length).toBeLessThanOrEqual(2 ** 18)
    expect(kernelLog(guest.kernel).items.length).toBeLessThanOrEqual(2 ** 20)
    expect(new Swap(guest.kernel, guest.memory).areas.length).toBeLessThanOrEqual(32)
    const cache = new PageCache(guest.kernel)
    for (let gfn = seed; gfn < FRAMES; gfn += 40) cache.owner(gfn)
    slowest = Math.max(slowest, performance.now() - started)
  }
  expect(slowest).toBeLessThan(10_000)
}, 120_000)
