/**
 * Where the `swap_info_struct`s are: in the array `swap_info`; where no symbol names that (no CONFIG_KALLSYMS_ALL), those on block
 * devices, each of which knows who holds it: from the first task's root to its file system, the ring of all file systems, the one
 * that block devices live in, its inodes.
 */

import type { Problems } from '../../problem.js'
import { structSpec } from '../../struct/layout.js'
import type { StructReader } from '../../struct/reader.js'
import { walkList } from '../../walk/list.js'
import type { LinuxKernel } from '../kernel.js'
import { fileSystemType } from '../path/made-up-names.js'

/** 5 bits of an entry. */
export const MAX_AREAS = 32

const TASK = structSpec('task_struct', { fs: 'fs' })
const FS = structSpec('fs_struct', { mount: 'root.mnt' })
const VFS_MOUNT = structSpec('vfsmount', { superBlock: 'mnt_sb' })
const SUPER_BLOCK = structSpec('super_block', { list: 's_list', inodes: 's_inodes' })
const INODE = structSpec('inode', { siblings: 'i_sb_list' })
const BLOCK_INODE = structSpec('bdev_inode', { device: 'bdev', inode: 'vfs_inode' })
const DEVICE = structSpec('block_device', { holder: 'bd_holder' })
const AREA = structSpec('swap_info_struct', { type: 'type', device: 'bdev', slots: 'max', file: 'swap_file' })

const MAX_FILE_SYSTEMS = 4096
const MAX_DEVICES = 4096

/** Addresses of the areas by their number. */
export function areaAddresses(
  kernel: LinuxKernel,
  reader: StructReader,
  problems: Problems,
): Map<number, bigint> {
  const table = kernel.symbols.addressOf('swap_info')
  if (table === undefined) return heldDevices(kernel, reader, problems)
  const countAt = kernel.symbols.addressOf('nr_swapfiles')
  const count = (countAt === undefined ? undefined : reader.u32(countAt)) ?? MAX_AREAS
  const found = new Map<number, bigint>()
  for (const [type, address] of reader.pointers(table, Math.min(MAX_AREAS, count)).entries())
    if (address !== undefined && address !== 0n) found.set(type, address)
  return found
}

function heldDevices(kernel: LinuxKernel, reader: StructReader, problems: Problems): Map<number, bigint> {
  problems.add('unknown', 'swap: no symbol names swap_info, areas in files are not found')
  const found = new Map<number, bigint>()
  const deviceOffset = reader.layout(BLOCK_INODE).offset('device')
  if (deviceOffset === undefined) return found
  for (const inode of deviceInodes(kernel, reader, problems)) {
    const container = reader.container(BLOCK_INODE, 'inode', inode)
    const device = container === undefined ? undefined : container + BigInt(deviceOffset)
    const holder = device === undefined ? undefined : reader.record(DEVICE, device)?.link('holder')
    const area = holder === undefined ? undefined : reader.record(AREA, holder)
    const type = area?.number('type')
    // holders are of all kinds: an area points back to its device
    if (holder === undefined || type === undefined || area?.link('device') !== device) continue
    if (
      type < MAX_AREAS &&
      (area?.number('slots') ?? 0) > 0 &&
      reader.isKernelAddress(area?.link('file') ?? 0n)
    )
      found.set(type, holder)
  }
  return found
}

/** Inodes of block devices. */
function deviceInodes(kernel: LinuxKernel, reader: StructReader, problems: Problems): bigint[] {
  const task = kernel.symbols.addressOf('init_task')
  const fs = task === undefined ? undefined : reader.record(TASK, task)?.link('fs')
  const mount = fs === undefined ? undefined : reader.record(FS, fs)?.link('mount')
  const first = mount === undefined ? undefined : reader.record(VFS_MOUNT, mount)?.link('superBlock')
  const ring = first === undefined ? undefined : reader.record(SUPER_BLOCK, first)?.addressOf('list')
  if (ring === undefined) return []
  const options = { what: 'file systems', max: MAX_FILE_SYSTEMS }
  for (const node of walkList(reader, ring, problems, options)) {
    // the ring's head is among them, and is none
    const superBlock = reader.container(SUPER_BLOCK, 'list', node)
    if (superBlock === undefined || fileSystemType(reader, superBlock) !== 'bdev') continue
    const head = reader.record(SUPER_BLOCK, superBlock)?.addressOf('inodes')
    if (head === undefined) return []
    return walkList(reader, head, problems, { what: 'block devices', max: MAX_DEVICES }).flatMap(
      sibling => reader.container(INODE, 'siblings', sibling) ?? [],
    )
  }
  return []
}
