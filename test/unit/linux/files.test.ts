import { expect, test } from 'vitest'
import { openFiles } from '../../../src/os/linux/files.js'
import { MadeUpKernel } from '../../images/linux-files.js'

function setUp() {
  const guest = new MadeUpKernel()
  const root = guest.dentry('/', 0n)
  const mount = guest.mount(root)
  const inode = guest.make('inode', { i_mode: 0o100644, i_ino: 77, i_size: 4096 })
  const file = guest.file(guest.dentry('file', root), mount, {
    f_inode: inode,
    f_mode: 3,
    f_flags: 0o102002,
    f_pos: 1234n,
  })
  return { guest, file }
}

test('lists a descriptor with path, access, flags, position and inode', () => {
  const { guest, file } = setUp()
  expect(openFiles(guest.kernel, guest.task({ 3: file }))).toEqual({
    items: [
      {
        fd: 3,
        address: file,
        path: '/file',
        kind: 'file',
        access: 'rw',
        flags: 0o102002,
        position: 1234,
        inode: 77,
        size: 4096,
      },
    ],
    problems: [],
  })
})

test('close-on-exec comes from the table, not from the file', () => {
  const { guest, file } = setUp()
  const task = guest.task({ 9: file, 10: file })
  const pointerAt = (va: bigint): bigint =>
    new DataView(guest.memory.read(va, 8).bytes.buffer).getBigUint64(0, true)
  const fdt = pointerAt(pointerAt(task))
  guest.set('fdtable', fdt, { close_on_exec: guest.bytes(Uint8Array.of(0, 1 << 2, 0, 0, 0, 0, 0, 0)) })
  const { items } = openFiles(guest.kernel, task)
  expect(items.map(({ fd, flags }) => [fd, flags?.toString(8)])).toEqual([
    [9, '102002'],
    [10, '2102002'],
  ])
})

test('a task without a table has no files', () => {
  const { guest } = setUp()
  expect(openFiles(guest.kernel, guest.make('task_struct'))).toEqual({ items: [], problems: [] })
})

test('a table that claims four billion slots is cut, and its absent part told', () => {
  const { guest, file } = setUp()
  const array = guest.bytes(new Uint8Array(64 * 8))
  guest.memory.pointer(array + 8n, file)
  const table = guest.make('fdtable', { max_fds: 0xffff_ffff, fd: array })
  const task = guest.make('task_struct', { files: guest.make('files_struct', { fdt: table }) })
  const started = performance.now()
  const { items, problems } = openFiles(guest.kernel, task)
  expect(items[0]?.fd).toBe(1)
  expect(problems.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['cut', 'absent']))
  expect(performance.now() - started).toBeLessThan(1000)
})

test('slots that lead nowhere are told, the others still listed', () => {
  const { guest, file } = setUp()
  const { items, problems } = openFiles(
    guest.kernel,
    guest.task({ 0: 0x1234n, 1: file, 2: 0xffff_ffff_0000_0000n }),
  )
  expect(items.map(({ fd, path }) => [fd, path])).toEqual([
    [1, '/file'],
    [2, undefined],
  ])
  expect(problems.map(({ kind }) => kind)).toEqual(['broken', 'absent'])
})

test('a table of what is no file is given up', () => {
  const { guest, file } = setUp()
  const none = guest.make('file', { 'f_path.dentry': 0x1234n })
  const slots = Object.fromEntries(Array.from({ length: 2000 }, (_, fd) => [fd, fd === 3 ? file : none]))
  const { items, problems } = openFiles(guest.kernel, guest.task(slots, 2048))
  expect(items.map(({ fd }) => fd)).toEqual([3])
  expect(problems.some(({ kind }) => kind === 'cut')).toBe(true)
})
