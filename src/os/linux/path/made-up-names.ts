/**
 * Names that a file system makes up for files that stand in no directory: pipes, sockets, event files, memory files. As
 * `d_dname` of the file system prints them (fs/pipe.c, net/socket.c, fs/anon_inodes.c, fs/nsfs.c, fs/pidfs.c,
 * drivers/dma-buf/dma-buf.c; `simple_dname` of fs/d_path.c for all others).
 */
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import type { StructRecord } from '../../struct/record.js'
import { type DENTRY, FILE_SYSTEM_TYPE, INODE, SUPER_BLOCK } from './structs.js'

type DentryKey = keyof (typeof DENTRY)['members']

const NAMESPACE_OPERATIONS = structSpec('proc_ns_operations', { name: 'name' })
const NAMESPACE = structSpec('ns_common', { operations: 'ops', number: ['inum', 'ns_id'] })

const MAX_TYPE_NAME_BYTES = 64

/** Name of the file system's type that a super block belongs to (`ext4`, `sockfs`). */
export function fileSystemType(reader: StructReader, superBlock: bigint | undefined): string | undefined {
  const type = superBlock === undefined ? undefined : reader.record(SUPER_BLOCK, superBlock)?.link('type')
  const name = type === undefined ? undefined : reader.record(FILE_SYSTEM_TYPE, type)?.link('name')
  return name === undefined ? undefined : reader.text(name, MAX_TYPE_NAME_BYTES)
}

/**
 * What the file system calls a file without a directory. `name` is the dentry's own name.
 */
export function madeUpName(reader: StructReader, dentry: StructRecord<DentryKey>, name: string): string {
  switch (fileSystemType(reader, dentry.link('superBlock'))) {
    case 'pipefs':
      return `pipe:[${inodeNumber(reader, dentry)}]`
    case 'sockfs':
      return `socket:[${inodeNumber(reader, dentry)}]`
    case 'anon_inodefs':
      return `anon_inode:${name}`
    case 'pidfs':
      return 'anon_inode:[pidfd]'
    case 'nsfs':
      return `${namespaceName(reader, dentry)}:[${inodeNumber(reader, dentry)}]`
    case 'dmabuf':
      return `/dmabuf:${name}`
    default:
      return `/${name} (deleted)`
  }
}

function inodeNumber(reader: StructReader, dentry: StructRecord<DentryKey>): string {
  const inode = dentry.link('inode')
  const number = inode === undefined ? undefined : reader.record(INODE, inode)?.bigint('number')
  return number === undefined ? '?' : number.toString()
}

/** `mnt`, `pid`, ...: the operations hang at the dentry, or since 6.13 at the namespace itself. */
function namespaceName(reader: StructReader, dentry: StructRecord<DentryKey>): string {
  const inode = dentry.link('inode')
  const namespace = inode === undefined ? undefined : reader.record(INODE, inode)?.link('private')
  const operations = [
    namespace === undefined ? undefined : reader.record(NAMESPACE, namespace)?.link('operations'),
    dentry.link('private'),
  ]
  for (const address of operations) {
    const name =
      address === undefined ? undefined : reader.record(NAMESPACE_OPERATIONS, address)?.link('name')
    const text = name === undefined ? undefined : reader.text(name, MAX_TYPE_NAME_BYTES)
    if (text !== undefined && /^[a-z_]+$/.test(text)) return text
  }
  return '?'
}
