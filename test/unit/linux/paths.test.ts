import { expect, test } from 'vitest'
import { filePath, PathReader } from '../../../src/os/linux/paths.js'
import { Problems } from '../../../src/os/problem.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import { FILE_LAYOUTS, MadeUpKernel } from '../../images/linux-files.js'

/** `/` and `/mnt` of one file system, another mounted on `/mnt`. */
function twoMounts() {
  const guest = new MadeUpKernel()
  const root = guest.dentry('/', 0n)
  const top = guest.mount(root)
  const mnt = guest.dentry('mnt', root)
  const inner = guest.dentry('/', 0n)
  const mounted = guest.mount(inner, top, mnt)
  return { guest, root, top, mnt, inner, mounted }
}

test('a path goes up the names and over the mounts', () => {
  const { guest, inner, mounted } = twoMounts()
  const name = guest.dentry('größe file', guest.dentry('dir', inner))
  expect(filePath(guest.kernel, guest.file(name, mounted))).toBe('/mnt/dir/größe file')
})

test('the root is a slash, and so is the root of a mount by its place', () => {
  const { guest, root, top, inner, mounted } = twoMounts()
  expect(filePath(guest.kernel, guest.file(root, top))).toBe('/')
  expect(filePath(guest.kernel, guest.file(inner, mounted))).toBe('/mnt')
})

test('a name that left the hash is marked deleted', () => {
  const { guest, root, top } = twoMounts()
  const name = guest.dentry('gone', root, { 'd_hash.pprev': 0n })
  expect(filePath(guest.kernel, guest.file(name, top))).toBe('/gone (deleted)')
})

test('a path is told from the root that is asked for, and whether it lies below it', () => {
  const { guest, mnt, root, top, inner, mounted } = twoMounts()
  const name = guest.dentry('file', guest.dentry('jail', inner))
  const jail = guest.dentry('jail', inner)
  const inJail = guest.dentry('file', jail)
  const reader = new StructReader(guest.kernel)
  const at = { dentry: jail, mount: guest.vfs(mounted) }
  const paths = new PathReader(reader, new Problems(), at)
  expect(paths.path({ dentry: inJail, mount: guest.vfs(mounted) })).toEqual({
    text: '/file',
    reachable: true,
  })
  expect(paths.path({ dentry: name, mount: guest.vfs(mounted) })).toEqual({
    text: '/mnt/jail/file',
    reachable: false,
  })
  expect(mnt).not.toBe(root)
  expect(top).not.toBe(mounted)
})

test.each([
  ['pipefs', '', 'pipe:[512]'],
  ['sockfs', 'TCP', 'socket:[512]'],
  ['anon_inodefs', '[eventfd]', 'anon_inode:[eventfd]'],
  ['pidfs', '', 'anon_inode:[pidfd]'],
  ['dmabuf', 'buffer', '/dmabuf:buffer'],
  ['tmpfs', 'memfd:secret', '/memfd:secret (deleted)'],
] as const)('a file of %s has the name that its file system makes up', (type, name, expected) => {
  const guest = new MadeUpKernel()
  const operations = guest.make('dentry_operations', { d_dname: 0xffff_ffff_8100_0000n })
  const sb = guest.fileSystem(type)
  const inode = guest.make('inode', { i_ino: 512, i_sb: sb })
  const root = guest.dentry('/', 0n, { d_sb: sb })
  const dentry = guest.dentry(name, 0n, { d_sb: sb, d_inode: inode, d_op: operations })
  expect(filePath(guest.kernel, guest.file(dentry, guest.mount(root)))).toBe(expected)
})

test('without operations in the types, a parentless name that no mount has is a made-up one', () => {
  const { dentry, ...rest } = FILE_LAYOUTS
  const { d_op: _, ...members } = dentry?.members ?? {}
  const guest = new MadeUpKernel({ ...rest, dentry: { bytes: 80, members } })
  const sb = guest.fileSystem('tmpfs')
  const root = guest.dentry('/', 0n, { d_sb: sb })
  const memory = guest.dentry('memfd:x', 0n, { d_sb: sb })
  const mount = guest.mount(root)
  expect(filePath(guest.kernel, guest.file(memory, mount))).toBe('/memfd:x (deleted)')
  expect(filePath(guest.kernel, guest.file(root, mount))).toBe('/')
})

test('names that lead in a circle end, and are told', () => {
  const { guest, root, top } = twoMounts()
  const one = guest.dentry('one', root)
  const two = guest.dentry('two', one)
  guest.set('dentry', one, { d_parent: two })
  const problems = new Problems()
  const text = filePath(guest.kernel, guest.file(two, top), undefined, problems)
  expect(text?.length).toBeLessThan(20_000)
  expect(problems.list.map(({ kind }) => kind)).toEqual(['loop'])
})

test('mounts that lead in a circle end', () => {
  const { guest, top, mnt, inner, mounted } = twoMounts()
  guest.set('mount', mounted, { mnt_parent: mounted, mnt_mountpoint: inner })
  guest.set('mount', top, { mnt_parent: mounted, mnt_mountpoint: mnt })
  expect(filePath(guest.kernel, guest.file(guest.dentry('x', inner), mounted))).toBe('/x')
  const a = guest.mount(inner)
  const b = guest.mount(inner, a, inner)
  guest.set('mount', a, { mnt_parent: b, mnt_mountpoint: inner })
  expect(filePath(guest.kernel, guest.file(inner, a))).toBe('/')
})

test('many paths of a hostile guest stop being read', () => {
  const { guest, root, top } = twoMounts()
  let deep = root
  for (let i = 0; i < 3000; i++) deep = guest.dentry('d', deep)
  const paths = new PathReader(new StructReader(guest.kernel))
  const started = performance.now()
  const text = paths.file(guest.file(deep, top))?.text ?? ''
  expect(text.length).toBeLessThan(20_000)
  expect(performance.now() - started).toBeLessThan(2000)
})

test('a name of absurd length or outside the kernel is left out', () => {
  const { guest, root, top } = twoMounts()
  const long = guest.dentry('x', root, { 'd_name.len': 0xffff_ffff })
  const user = guest.dentry('x', root, { 'd_name.name': 0x1000n })
  const problems = new Problems()
  for (const name of [long, user])
    expect(filePath(guest.kernel, guest.file(name, top), undefined, problems)).toBe('/')
  expect(problems.list.map(({ kind }) => kind)).toEqual(['broken', 'broken'])
})
