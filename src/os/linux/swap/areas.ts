/** Swap areas: the files and devices that pages go to (include/linux/swap.h), as /proc/swaps lists them. */

import { type Listing, Problems } from '../../problem.js'
import { structSpec } from '../../struct/layout.js'
import { StructReader } from '../../struct/reader.js'
import type { StructRecord } from '../../struct/record.js'
import { fileKind } from '../files.js'
import type { LinuxKernel } from '../kernel.js'
import { FILE, INODE } from '../path/structs.js'
import { PathReader } from '../paths.js'
import { areaAddresses } from './find-areas.js'

/** One swap area. */
export interface SwapArea {
  /** Its number, as page table entries hold it. */
  readonly type: number
  /** Kernel virtual address of its `swap_info_struct`. */
  readonly address: bigint
  readonly path?: string
  readonly kind: 'partition' | 'file'
  /** Slots that exist: an offset in an entry is smaller. */
  readonly slots: number
  /** Kernel virtual address of the bytes that count who uses each slot; newer kernels have none. */
  readonly map?: bigint
  /** Pages that can be stored, and how many are. */
  readonly pages: number
  readonly usedPages?: number
  readonly priority: number
  /** Name of the disk (`zram0`, `sda`), and the address of its driver's own structure. */
  readonly disk?: string
  readonly diskPrivate?: bigint
  /** First 512-byte sector of the area on the disk; 0 for a whole disk. */
  readonly firstSector?: number
}

const AREA = structSpec('swap_info_struct', {
  flags: 'flags',
  priority: 'prio',
  slots: 'max',
  pages: 'pages',
  used: 'inuse_pages',
  file: 'swap_file',
  device: 'bdev',
  map: 'swap_map',
})
const DEVICE = structSpec('block_device', { disk: 'bd_disk', start: 'bd_start_sect' })
const DISK = structSpec('gendisk', { name: 'disk_name', private: 'private_data' })

const AREA_USED = 1

/** The areas in use. */
export function swapAreas(kernel: LinuxKernel, reader = new StructReader(kernel)): Listing<SwapArea> {
  const problems = new Problems()
  const paths = new PathReader(reader, problems)
  const items: SwapArea[] = []
  for (const [type, address] of [...areaAddresses(kernel, reader, problems)].sort(([a], [b]) => a - b)) {
    const area = readArea(reader, paths, type, address)
    if (area === 'broken') problems.add('broken', `swap: area ${type} is not in memory`, address)
    else if (area !== undefined) items.push(area)
  }
  return { items, problems: problems.list }
}

function readArea(
  reader: StructReader,
  paths: PathReader,
  type: number,
  address: bigint,
): SwapArea | 'broken' | undefined {
  const record = reader.record(AREA, address)
  const flags = record?.number('flags')
  const slots = record?.number('slots')
  if (record === undefined || flags === undefined || slots === undefined) return 'broken'
  if ((flags & AREA_USED) === 0) return undefined
  const file = record.link('file')
  const path = file === undefined ? undefined : paths.file(file)?.text
  const inode = file === undefined ? undefined : reader.record(FILE, file)?.link('inode')
  const kind = inode === undefined ? undefined : fileKind(reader.record(INODE, inode)?.number('mode'))
  const pages = record.number('pages') ?? 0
  const used = usedPages(record)
  const map = record.link('map')
  return {
    type,
    address,
    ...(path === undefined ? {} : { path }),
    kind: kind === 'block-device' ? 'partition' : 'file',
    slots,
    ...(map === undefined ? {} : { map }),
    pages,
    ...(used === undefined ? {} : { usedPages: used }),
    priority: record.signed('priority') ?? 0,
    ...(kind === 'block-device' ? diskOf(reader, record.link('device')) : {}),
  }
}

/** Since 6.12 the last bit but one says that the area is full and off the list of those to be tried (mm/swapfile.c). */
function usedPages(record: StructRecord<keyof (typeof AREA)['members']>): number | undefined {
  const used = record.bigint('used')
  const bits = (record.layout.member('used')?.bytes ?? 0) * 8
  return used === undefined ? undefined : Number(used & ~(1n << BigInt(bits - 2)))
}

function diskOf(reader: StructReader, address: bigint | undefined): Partial<SwapArea> {
  const device = address === undefined ? undefined : reader.record(DEVICE, address)
  const diskAddress = device?.link('disk')
  const disk = diskAddress === undefined ? undefined : reader.record(DISK, diskAddress)
  const name = disk?.text('name')
  const start = device?.number('start')
  const own = disk?.link('private')
  return {
    ...(name === undefined ? {} : { disk: name }),
    ...(own === undefined ? {} : { diskPrivate: own }),
    // before 5.11 partitions were kept elsewhere
    ...(start === undefined ? {} : { firstSector: start }),
  }
}
