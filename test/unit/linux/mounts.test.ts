import { expect, test } from 'vitest'
import { mounts } from '../../../src/os/linux/mounts.js'
import { FILE_LAYOUTS, MadeUpKernel } from '../../images/linux-files.js'

/** `/` (rootfs), `/mnt data` (ext4, read-only), and a mount that hangs nowhere. */
function setUp(layouts = FILE_LAYOUTS) {
  const guest = new MadeUpKernel(layouts)
  const rootSb = guest.fileSystem('rootfs', { s_dev: 2 })
  const dataSb = guest.fileSystem('ext4', { s_dev: (8 << 20) | 1, s_flags: 0x11n })
  const root = guest.dentry('/', 0n, { d_sb: rootSb })
  const place = guest.dentry('mnt data', root)
  const data = guest.dentry('/', 0n, { d_sb: dataSb })
  const inside = guest.dentry('inside', data)
  const top = guest.mount(root, undefined, undefined, {
    mnt_id: 1,
    mnt_devname: guest.text('rootfs'),
    'mnt.mnt_sb': rootSb,
  })
  const mounted = guest.mount(inside, top, place, {
    mnt_id: 20,
    mnt_devname: guest.text('/dev/sda1'),
    'mnt.mnt_sb': dataSb,
    'mnt.mnt_flags': 0x40 | 0x1 | 0x20,
  })
  const cursor = guest.mount(root, top, root, { 'mnt.mnt_flags': 0x10000000 })
  const namespace = guest.make('mnt_namespace')
  const fs = guest.make('fs_struct', { 'root.mnt': guest.vfs(top), 'root.dentry': root })
  const task = guest.make('task_struct', { nsproxy: guest.make('nsproxy', { mnt_ns: namespace }), fs })
  const link = (...list: bigint[]): void =>
    guest.memory.ring(
      namespace + 8n,
      list.map(mount => mount + 64n),
    )
  link(top, cursor, mounted)
  return { guest, task, top, mounted, root, place, link, fs, inside }
}

test('lists mounts as mountinfo does, without the cursors of readers', () => {
  const { guest, task, top, mounted } = setUp()
  expect(mounts(guest.kernel, task)).toEqual({
    items: [
      {
        address: top,
        id: 1,
        parentId: 1,
        major: 0,
        minor: 2,
        root: '/',
        mountPoint: '/',
        options: 'rw',
        propagation: [],
        type: 'rootfs',
        source: 'rootfs',
        superOptions: 'rw',
      },
      {
        address: mounted,
        id: 20,
        parentId: 1,
        major: 8,
        minor: 1,
        root: '/inside',
        mountPoint: '/mnt data',
        options: 'ro,nosuid,relatime',
        propagation: [],
        type: 'ext4',
        source: '/dev/sda1',
        superOptions: 'ro,sync',
      },
    ],
    problems: [],
  })
})

test('a process sees what lies below its own root, from there', () => {
  const { guest, task, mounted, fs, inside } = setUp()
  guest.set('fs_struct', fs, { 'root.mnt': guest.vfs(mounted), 'root.dentry': inside })
  expect(mounts(guest.kernel, task).items.map(({ id, mountPoint }) => [id, mountPoint])).toEqual([[20, '/']])
})

test('a tree of mounts is walked where there is no list', () => {
  const { mnt_namespace: _, mount, ...rest } = FILE_LAYOUTS
  const guest = new MadeUpKernel({
    ...rest,
    mnt_namespace: { bytes: 32, members: { 'mounts.rb_node': [8, 8] } },
    mount: { bytes: 160, members: { ...mount?.members, mnt_node: [128, 24] } },
  })
  const root = guest.dentry('/', 0n)
  const one = guest.mount(root, undefined, undefined, { mnt_id: 1 })
  const two = guest.mount(root, one, guest.dentry('two', root), { mnt_id: 2 })
  guest.memory.pointer(one + 128n + 8n, two + 128n)
  const namespace = guest.make('mnt_namespace', { 'mounts.rb_node': one + 128n })
  const task = guest.make('task_struct', { nsproxy: guest.make('nsproxy', { mnt_ns: namespace }) })
  expect(mounts(guest.kernel, task).items.map(({ id, mountPoint }) => [id, mountPoint])).toEqual([
    [1, '/'],
    [2, '/two'],
  ])
})

test('lists in circles and mounts upon themselves end', () => {
  const { guest, task, top, mounted } = setUp()
  guest.memory.pointer(mounted + 64n, mounted + 64n)
  guest.set('mount', mounted, { mnt_parent: mounted })
  const { items, problems } = mounts(guest.kernel, task)
  expect(items.map(({ address }) => address)).toContain(top)
  expect(problems.length).toBeGreaterThan(0)
})

test('a task without namespaces has no mounts, and that is said', () => {
  const { guest } = setUp()
  expect(mounts(guest.kernel, guest.make('task_struct'))).toMatchObject({
    items: [],
    problems: [{ kind: 'absent' }],
  })
})
