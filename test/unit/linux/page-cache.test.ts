import { expect, test } from 'vitest'
import { PageCache, pageCacheOwner } from '../../../src/os/linux/page-cache.js'
import { FILE_LAYOUTS, MadeUpKernel } from '../../images/linux-files.js'

const BASE = 0xffff_ea00_0000_0000n
const VARIABLE = 0xffff_ffff_8200_0000n
const page = (pfn: number): bigint => BASE + BigInt(pfn) * 64n

/** A file `/mnt/dir/file` whose mapping is in its inode. */
function setUp(type = 'ext4') {
  const guest = new MadeUpKernel(FILE_LAYOUTS, { vmemmap_base: VARIABLE })
  guest.memory.pointer(VARIABLE, BASE)
  guest.memory.write(BASE, new Uint8Array(1024 * 64))
  const sb = guest.fileSystem(type)
  const outer = guest.dentry('/', 0n)
  const top = guest.mount(outer)
  const mnt = guest.dentry('mnt', outer)
  const root = guest.dentry('/', 0n, { d_sb: sb })
  const mounted = guest.mount(root, top, mnt)
  guest.memory.ring(sb + 32n, [mounted + 48n])
  const inode = guest.make('inode', { i_ino: 99, i_sb: sb })
  const mapping = inode + 48n
  guest.set('address_space', mapping, { host: inode })
  guest.set('inode', inode, { i_mapping: mapping })
  const dentry = guest.dentry('file', guest.dentry('dir', root), { d_inode: inode, d_sb: sb })
  guest.memory.pointer(inode + 40n, dentry + 64n)
  return { guest, sb, inode, mapping, dentry, mounted }
}

test('a frame of a file has its path, inode and offset', () => {
  const { guest, inode, mapping } = setUp()
  guest.set('page', page(7), { mapping, index: 3n })
  expect(pageCacheOwner(guest.kernel, 7)).toEqual({
    path: '/mnt/dir/file',
    inode: 99,
    fileSystem: 'ext4',
    inodeAddress: inode,
    offset: 3 * 4096,
  })
})

test('frames of many files are answered at once, others are not in the answer', () => {
  const { guest, mapping } = setUp()
  guest.set('page', page(100), { mapping, index: 0n })
  guest.set('page', page(900), { mapping, index: 1n })
  const owners = new PageCache(guest.kernel).owners([900, 5, 100, 70_000, -1, 0.5, 2 ** 52])
  expect([...owners].map(([gfn, { offset }]) => [gfn, offset])).toEqual([
    [900, 4096],
    [100, 0],
  ])
})

test.each([
  ['the address of its head', (head: bigint) => head + 1n],
  ['the mask that makes its head', () => ~(8n * 64n - 1n) | 1n],
])('a tail of a compound page that holds %s counts from the head', (_what, word) => {
  const { guest, mapping } = setUp()
  guest.set('page', page(64), { mapping, index: 16n })
  guest.set('page', page(69), { compound_head: BigInt.asUintN(64, word(page(64))), mapping: 0x400n })
  expect(pageCacheOwner(guest.kernel, 69)?.offset).toBe((16 + 5) * 4096)
})

test('anonymous and movable frames, and frames of other uses, have no owner', () => {
  const { guest, mapping, inode } = setUp()
  guest.set('page', page(1), { mapping: mapping + 1n })
  guest.set('page', page(2), { mapping: mapping + 2n })
  guest.set('page', page(3), { mapping: inode })
  guest.set('page', page(4), { mapping: 0xdead_0000_0000_0400n })
  const stranger = guest.make('address_space', { host: inode })
  guest.set('page', page(5), { mapping: stranger })
  expect(new PageCache(guest.kernel).owners([0, 1, 2, 3, 4, 5]).size).toBe(0)
})

test('a deleted file is marked, and one without a name is told by its inode', () => {
  const { guest, mapping, dentry, inode } = setUp()
  guest.set('page', page(1), { mapping })
  guest.set('dentry', dentry, { 'd_hash.pprev': 0n })
  expect(pageCacheOwner(guest.kernel, 1)?.path).toBe('/mnt/dir/file (deleted)')
  guest.memory.pointer(inode + 40n, 0n)
  expect(pageCacheOwner(guest.kernel, 1)).toMatchObject({ inode: 99, offset: 0 })
  expect(pageCacheOwner(guest.kernel, 1)?.path).toBeUndefined()
})

test('of several names the one still in use is told', () => {
  const { guest, mapping, dentry } = setUp()
  const root = new DataView(guest.memory.read(dentry, 8).bytes.buffer).getBigUint64(0, true)
  const other = guest.dentry('link', root)
  guest.set('dentry', dentry, { 'd_hash.pprev': 0n, d_alias: other + 64n })
  guest.set('page', page(1), { mapping })
  expect(pageCacheOwner(guest.kernel, 1)?.path).toBe('/mnt/dir/link')
})

test('without a mount that shows it, a path is told from the root of its file system', () => {
  const { guest, sb, mapping } = setUp()
  guest.memory.ring(sb + 32n, [])
  guest.set('page', page(1), { mapping })
  expect(pageCacheOwner(guest.kernel, 1)?.path).toBe('/dir/file')
})

test('offsets of hugetlbfs are not told', () => {
  const { guest, mapping } = setUp('hugetlbfs')
  guest.set('page', page(1), { mapping, index: 4n })
  expect(pageCacheOwner(guest.kernel, 1)).not.toHaveProperty('offset')
})

test('names and mounts in circles end', () => {
  const { guest, sb, mapping, dentry, mounted } = setUp()
  guest.set('dentry', dentry, { d_alias: dentry + 64n, d_parent: dentry + 0n })
  guest.memory.pointer(mounted + 48n, mounted + 48n)
  guest.memory.pointer(sb + 32n, mounted + 48n)
  guest.set('page', page(1), { mapping })
  const started = performance.now()
  expect(pageCacheOwner(guest.kernel, 1)?.inode).toBe(99)
  expect(performance.now() - started).toBeLessThan(1000)
})

test('sections of memory tell the array where no symbol does', () => {
  const layouts = {
    ...FILE_LAYOUTS,
    mem_section: { bytes: 16, members: { section_mem_map: [0, 8] as const } },
  }
  const guest = new MadeUpKernel(layouts, { mem_section: VARIABLE })
  const roots = guest.bytes(new Uint8Array(512 * 8))
  const sections = guest.bytes(new Uint8Array(4096))
  guest.memory.pointer(VARIABLE, roots)
  guest.memory.pointer(roots, sections)
  for (const i of [0, 1, 5]) guest.memory.pointer(sections + BigInt(i * 16), BASE | 0x1fn)
  expect(new PageCache(guest.kernel).available).toBe(true)
  guest.memory.pointer(sections + 32n, (BASE + 0x10_0000n) | 3n)
  expect(new PageCache(guest.kernel).available).toBe(false)
})

test('a kernel that does not say where it describes its frames owns none', () => {
  const guest = new MadeUpKernel()
  const cache = new PageCache(guest.kernel)
  expect([cache.available, cache.owner(1), cache.problems.map(({ kind }) => kind)]).toEqual([
    false,
    undefined,
    ['unknown'],
  ])
})
