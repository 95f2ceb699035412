/** From an inode to a path: the other way round than opening a file, by the names that the kernel still keeps of it. */

import type { Problems } from '../../problem.js'
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import { walkChain, walkList } from '../../walk/list.js'
import { fileSystemType } from '../path/made-up-names.js'
import { INODE } from '../path/structs.js'
import type { PathReader } from '../paths.js'

const NAMES = structSpec('inode', { names: 'i_dentry', superBlock: 'i_sb' })
const ALIAS = structSpec('dentry', { alias: ['d_u.d_alias', 'd_alias'], hashed: 'd_hash.pprev' })
/** A list of mounts, or since 6.18 a chain of them. */
const MOUNTS = structSpec('super_block', { mounts: 's_mounts' })
const INSTANCE = structSpec('mount', { link: 'mnt_instance', next: 'mnt_next_for_sb', vfs: 'mnt' })
const BLOCK_INODE = structSpec('bdev_inode', { device: 'bdev', inode: 'vfs_inode' })
const BLOCK_DEVICE = structSpec('block_device', { disk: 'bd_disk', partition: ['bd_partno', '__bd_flags'] })
const DISK = structSpec('gendisk', { name: 'disk_name' })

/** Hard links and mounts of one file system that are tried. */
const MAX_NAMES = 64
const MAX_MOUNTS = 256

/** A file by its inode. */
export interface InodeName {
  /** Where it is mounted, if that was found, else inside its file system; undefined when the kernel keeps no name of it any more. */
  readonly path?: string
  readonly inode: number
  /** `ext4`, `tmpfs`, `bdev` for a block device's own pages. */
  readonly fileSystem?: string
}

/** Names the inode at `address`; undefined when it is not in memory. */
export function inodeName(
  reader: StructReader,
  paths: PathReader,
  address: bigint,
  problems: Problems,
): InodeName | undefined {
  const inode = reader.record(INODE, address)
  const number = inode?.number('number')
  if (inode === undefined || number === undefined) return undefined
  const superBlock = inode.link('superBlock')
  const fileSystem = fileSystemType(reader, superBlock)
  const path =
    fileSystem === 'bdev'
      ? blockDeviceName(reader, address)
      : filePathOf(reader, paths, address, superBlock, problems)
  return {
    ...(path === undefined ? {} : { path }),
    inode: number,
    ...(fileSystem === undefined ? {} : { fileSystem }),
  }
}

function filePathOf(
  reader: StructReader,
  paths: PathReader,
  inode: bigint,
  superBlock: bigint | undefined,
  problems: Problems,
): string | undefined {
  const first = reader.record(NAMES, inode)?.link('names')
  if (first === undefined) return undefined
  const dentries = walkChain(reader, first, problems, { what: 'names of an inode', max: MAX_NAMES })
    .map(node => reader.container(ALIAS, 'alias', node))
    .filter(dentry => dentry !== undefined)
  // a name that is still in use goes before a deleted one
  const dentry =
    dentries.find(name => reader.record(ALIAS, name)?.link('hashed') !== undefined) ?? dentries[0]
  if (dentry === undefined) return undefined
  for (const mount of superBlock === undefined ? [] : mountsOf(reader, superBlock, problems)) {
    const path = paths.path({ dentry, mount })
    if (path?.reachable === true) return path.text
  }
  return paths.withinFileSystem(dentry)
}

/** Addresses of the `vfsmount`s of a file system. */
function mountsOf(reader: StructReader, superBlock: bigint, problems: Problems): bigint[] {
  const record = reader.record(MOUNTS, superBlock)
  const head = record?.addressOf('mounts')
  const layout = reader.layout(INSTANCE)
  const offset = layout.offset('vfs')
  if (head === undefined || offset === undefined) return []
  const options = { what: 'mounts of a file system', max: MAX_MOUNTS }
  if (layout.has('link'))
    return walkList(reader, head, problems, options).map(
      node => (reader.container(INSTANCE, 'link', node) ?? 0n) + BigInt(offset),
    )
  const mounts: bigint[] = []
  let mount = record?.link('mounts')
  while (mount !== undefined && mounts.length < MAX_MOUNTS) {
    mounts.push(mount + BigInt(offset))
    mount = reader.record(INSTANCE, mount)?.link('next')
  }
  return mounts
}

/** `/dev/` and the disk's name, with the number of the partition. */
function blockDeviceName(reader: StructReader, inode: bigint): string | undefined {
  const container = reader.container(BLOCK_INODE, 'inode', inode)
  const offset = reader.layout(BLOCK_INODE).offset('device')
  const device =
    container === undefined || offset === undefined
      ? undefined
      : reader.record(BLOCK_DEVICE, container + BigInt(offset))
  const disk = device?.link('disk')
  const name = disk === undefined ? undefined : reader.record(DISK, disk)?.text('name')
  if (device === undefined || name === undefined || name === '') return undefined
  const partition = (device.number('partition') ?? 0) & 0xff
  if (partition === 0) return `/dev/${name}`
  // names that end in a digit get a `p` in between (block/genhd.c)
  return `/dev/${name}${/[0-9]$/.test(name) ? 'p' : ''}${partition}`
}
