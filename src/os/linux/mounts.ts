/** Mounts of a process's namespace (fs/mount.h), as /proc/PID/mountinfo prints them (fs/proc_namespace.c). */

import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { type ReadableKernel, StructReader } from '../struct/reader.js'
import type { StructRecord } from '../struct/record.js'
import { walkList } from '../walk/list.js'
import { fileSystemType } from './path/made-up-names.js'
import { SUPER_BLOCK } from './path/structs.js'
import { type PathAddress, PathReader } from './paths.js'
import { walkRbTree } from './walk/rbtree.js'

/** One mount; texts are not escaped. What could not be read is absent. */
export interface Mount {
  /** Kernel virtual address of the `struct mount`. */
  readonly address: bigint
  readonly id: number
  readonly parentId?: number
  readonly major?: number
  readonly minor?: number
  /** What of the file system is mounted. */
  readonly root?: string
  /** Where, as the process sees it. */
  readonly mountPoint: string
  /** `rw,nosuid,relatime`: options of this mount. */
  readonly options: string
  /** `shared:1`, `master:1`, `unbindable`. */
  readonly propagation: readonly string[]
  readonly type?: string
  /** What was given to mount: a device, `tmpfs`, `none`. */
  readonly source?: string
  /** Options of the file system that every one has: `ro`, `sync`, ...; those of its own kind are not told. */
  readonly superOptions?: string
}

const TASK = structSpec('task_struct', { namespaces: 'nsproxy', fs: 'fs' })
const NAMESPACES = structSpec('nsproxy', { mounts: 'mnt_ns' })
const FS = structSpec('fs_struct', { rootDentry: 'root.dentry', rootMount: 'root.mnt' })
/** Since 6.8 `mounts` is a tree; before it was how many there are. */
const NAMESPACE = structSpec('mnt_namespace', { list: 'list', tree: ['mounts.rb_node', 'mounts.rb_root'] })
const LISTED = structSpec('mount', {
  link: 'mnt_list',
  node: 'mnt_node',
  id: 'mnt_id',
  parent: 'mnt_parent',
  mountpoint: 'mnt_mountpoint',
  root: 'mnt.mnt_root',
  vfs: 'mnt',
  superBlock: 'mnt.mnt_sb',
  flags: 'mnt.mnt_flags',
  source: 'mnt_devname',
  group: 'mnt_group_id',
  master: 'mnt_master',
  propagation: 'mnt_t_flags',
})

type Listed = StructRecord<keyof (typeof LISTED)['members']>

/** `fs.mount-max` is 100000. */
const MAX_MOUNTS = 2 ** 17
const MAX_SOURCE_BYTES = 4096
/** `MNT_*` of include/linux/mount.h. */
const MOUNT_READ_ONLY = 0x40
const MOUNT_OPTIONS = [
  [0x1, 'nosuid'],
  [0x2, 'nodev'],
  [0x4, 'noexec'],
  [0x8, 'noatime'],
  [0x10, 'nodiratime'],
  [0x20, 'relatime'],
  [0x80, 'nosymfollow'],
] as const
const MOUNT_SHARED = 0x1000
const MOUNT_UNBINDABLE = 0x2000
/** Since 6.17 they have a word of their own. */
const PROPAGATION_SHARED = 1
const PROPAGATION_UNBINDABLE = 4
/** The place of a reader in the list, no mount. */
const MOUNT_CURSOR = 0x10000000
/** `SB_*` of include/linux/fs.h. */
const SUPER_READ_ONLY = 1
const SUPER_OPTIONS = [
  [0x10, 'sync'],
  [0x80, 'dirsync'],
  [0x40, 'mand'],
  [0x2000000, 'lazytime'],
] as const

/**
 * The mounts that a task (address of its `task_struct`) sees, in the namespace's order. What lies outside its root is left out, as
 * /proc does.
 */
export function mounts(
  kernel: ReadableKernel,
  task: bigint,
  reader = new StructReader(kernel),
): Listing<Mount> {
  const problems = new Problems()
  const record = reader.record(TASK, task)
  const proxy = record?.link('namespaces')
  const namespace = proxy === undefined ? undefined : reader.record(NAMESPACES, proxy)?.link('mounts')
  if (namespace === undefined) {
    problems.add('absent', 'mounts: the task has no mount namespace', task)
    return { items: [], problems: problems.list }
  }
  const paths = new PathReader(reader, problems, rootOf(reader, record?.link('fs')))
  const items: Mount[] = []
  for (const address of mountAddresses(reader, namespace, problems)) {
    const mount = reader.record(LISTED, address)
    if (mount === undefined) {
      problems.add('absent', 'mounts: a mount is not in memory', address)
      continue
    }
    if (((mount.number('flags') ?? 0) & MOUNT_CURSOR) !== 0) continue
    const described = describe(reader, paths, mount)
    if (described !== undefined) items.push(described)
  }
  return { items, problems: problems.list }
}

/** Addresses of the `struct mount`s of a `mnt_namespace`. */
function mountAddresses(reader: StructReader, namespace: bigint, problems: Problems): bigint[] {
  const record = reader.record(NAMESPACE, namespace)
  const options = { what: 'mounts', max: MAX_MOUNTS }
  const head = record?.addressOf('list')
  const top = record?.pointer('tree')
  const name = head === undefined ? 'node' : 'link'
  const offset = reader.layout(LISTED).offset(name)
  if (record === undefined || offset === undefined || (head === undefined && top === undefined)) {
    problems.add('unknown', 'mounts: the namespace is not in memory, or its layout is not known', namespace)
    return []
  }
  const nodes =
    head === undefined
      ? walkRbTree(reader, top ?? 0n, problems, options)
      : walkList(reader, head, problems, options)
  return nodes.map(node => node - BigInt(offset))
}

function rootOf(reader: StructReader, fs: bigint | undefined): PathAddress | undefined {
  const record = fs === undefined ? undefined : reader.record(FS, fs)
  const dentry = record?.link('rootDentry')
  const mount = record?.link('rootMount')
  return dentry === undefined || mount === undefined ? undefined : { dentry, mount }
}

function describe(reader: StructReader, paths: PathReader, mount: Listed): Mount | undefined {
  const root = mount.link('root')
  const vfs = mount.addressOf('vfs')
  const id = mount.signed('id')
  if (root === undefined || vfs === undefined || id === undefined) return undefined
  const place = paths.path({ dentry: root, mount: vfs })
  if (place === undefined || !place.reachable) return undefined
  const superBlock = mount.link('superBlock')
  const flags = mount.number('flags')
  const parent = mount.link('parent')
  const source = mount.link('source')
  return {
    address: mount.address,
    id,
    ...some('parentId', parent === undefined ? undefined : reader.record(LISTED, parent)?.signed('id')),
    ...(superBlock === undefined ? {} : ofSuperBlock(reader, superBlock)),
    ...some('root', paths.withinFileSystem(root)),
    mountPoint: place.text,
    options: flags === undefined ? '' : optionText(flags, MOUNT_READ_ONLY, MOUNT_OPTIONS),
    propagation: propagation(reader, mount),
    ...some('source', source === undefined ? undefined : reader.text(source, MAX_SOURCE_BYTES)),
  }
}

function ofSuperBlock(reader: StructReader, address: bigint): Partial<Mount> {
  const record = reader.record(SUPER_BLOCK, address)
  const device = record?.number('device')
  const flags = record?.number('flags')
  const subtypeAt = record?.link('subtype')
  const subtype = subtypeAt === undefined ? undefined : reader.text(subtypeAt, MAX_SOURCE_BYTES)
  const type = fileSystemType(reader, address)
  return {
    // `dev_t` inside the kernel: 12 bits and 20 (include/linux/kdev_t.h)
    ...(device === undefined ? {} : { major: device >>> 20, minor: device & 0xfffff }),
    ...some('type', type === undefined || subtype === undefined ? type : `${type}.${subtype}`),
    ...some(
      'superOptions',
      flags === undefined ? undefined : optionText(flags, SUPER_READ_ONLY, SUPER_OPTIONS),
    ),
  }
}

function optionText(
  flags: number,
  readOnly: number,
  names: readonly (readonly [flag: number, name: string])[],
): string {
  const set = names.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name)
  return [(flags & readOnly) !== 0 ? 'ro' : 'rw', ...set].join(',')
}

function propagation(reader: StructReader, mount: Listed): string[] {
  const own = mount.number('propagation')
  const flags = mount.number('flags') ?? 0
  const shared = own === undefined ? (flags & MOUNT_SHARED) !== 0 : (own & PROPAGATION_SHARED) !== 0
  const unbindable =
    own === undefined ? (flags & MOUNT_UNBINDABLE) !== 0 : (own & PROPAGATION_UNBINDABLE) !== 0
  const group = mount.signed('group')
  const masterAt = mount.link('master')
  const master = masterAt === undefined ? undefined : reader.record(LISTED, masterAt)?.signed('group')
  return [
    ...(shared && group !== undefined ? [`shared:${group}`] : []),
    ...(master === undefined ? [] : [`master:${master}`]),
    ...(unbindable ? ['unbindable'] : []),
  ]
}

function some<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}
