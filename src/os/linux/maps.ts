/** The mappings of a process, as /proc/PID/maps prints them. */
import { hex } from '../../core/address.js'
import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'
import { MM, type MmRecord } from './memory-map.js'
import { PathReader } from './paths.js'
import { readVmas, type VmaRecord } from './vma.js'
import { type MappingKind, MappingNames } from './vma-names.js'

/** One mapping. */
export interface LinuxMapping {
  readonly start: bigint
  /** Exclusive. */
  readonly end: bigint
  /** As /proc prints them: `r-xp`. */
  readonly flags: string
  /** Bytes into the file; 0 for anonymous memory, as /proc prints it. */
  readonly offset: number
  /** As /proc prints it, unescaped: `/bin/sh`, `/tmp/x (deleted)`, `[heap]`; empty where it prints nothing. */
  readonly path: string
  readonly kind: MappingKind
  /** Of the file; absent for anonymous memory. */
  readonly inode?: number
  /** `major:minor` in hexadecimal, as /proc prints it. */
  readonly device?: string
  /** Kernel virtual address of its `vm_area_struct`. */
  readonly address: bigint
}

const FILE_INODE = structSpec('file', { inode: 'f_inode' })
const INODE = structSpec('inode', { number: 'i_ino', superBlock: 'i_sb' })
const SUPER_BLOCK = structSpec('super_block', { device: 's_dev' })

const READ = 1
const WRITE = 2
const EXECUTE = 4
/** `VM_MAYSHARE`: what was asked for as shared, also where the file is read-only. */
const MAY_SHARE = 0x80
/** `MINORBITS` of include/linux/kdev_t.h. */
const MINOR_BITS = 20

/**
 * The mappings of a process by ascending address; the gate page (vsyscall) is none of them.
 * @param mmAddress its `mm_struct` (`LinuxProcess.mmAddress`); a kernel thread or a zombie has none, and no mappings.
 */
export function maps(kernel: LinuxKernel, mmAddress: bigint | undefined): Listing<LinuxMapping> {
  const problems = new Problems()
  if (mmAddress === undefined) return { items: [], problems: [] }
  const reader = new StructReader(kernel)
  const mm = reader.record(MM, mmAddress)
  if (mm === undefined) {
    problems.add('absent', `memory descriptor ${hex(mmAddress)} is not in memory`, mmAddress)
    return { items: [], problems: problems.list }
  }
  const paths = new PathReader(reader, problems)
  const names = new MappingNames(kernel, reader, paths, mm)
  const pageBytes = 2 ** kernel.paging.pageShift
  const vmas = readVmas(reader, mm, problems)
  checkCount(mm, vmas.length, problems)
  return { items: vmas.map(vma => mapping(reader, names, vma, pageBytes)), problems: problems.list }
}

/** The kernel counts its mappings: a difference is worth telling. */
function checkCount(mm: MmRecord, found: number, problems: Problems): void {
  const count = mm.number('mapCount')
  if (count !== undefined && count !== found)
    problems.add('broken', `mappings: ${found} found, the kernel counts ${count}`, mm.address)
}

function mapping(reader: StructReader, names: MappingNames, vma: VmaRecord, pageBytes: number): LinuxMapping {
  const file = vma.link('file')
  return {
    start: vma.bigint('start') ?? 0n,
    end: vma.bigint('end') ?? 0n,
    flags: flagText(vma.bigint('flags') ?? 0n),
    offset: file === undefined ? 0 : (vma.number('offsetPages') ?? 0) * pageBytes,
    ...names.name(vma),
    ...(file === undefined ? {} : fileIdentity(reader, file)),
    address: vma.address,
  }
}

function flagText(flags: bigint): string {
  const low = Number(flags & 0xffn)
  const read = (low & READ) !== 0 ? 'r' : '-'
  const write = (low & WRITE) !== 0 ? 'w' : '-'
  const execute = (low & EXECUTE) !== 0 ? 'x' : '-'
  return read + write + execute + ((low & MAY_SHARE) !== 0 ? 's' : 'p')
}

function fileIdentity(reader: StructReader, file: bigint): Pick<LinuxMapping, 'inode' | 'device'> {
  const address = reader.record(FILE_INODE, file)?.link('inode')
  const inode = address === undefined ? undefined : reader.record(INODE, address)
  const number = inode?.number('number')
  const superBlock = inode?.link('superBlock')
  const device =
    superBlock === undefined ? undefined : reader.record(SUPER_BLOCK, superBlock)?.number('device')
  return {
    ...(number === undefined ? {} : { inode: number }),
    ...(device === undefined ? {} : { device: deviceText(device) }),
  }
}

function deviceText(device: number): string {
  const major = Math.floor(device / 2 ** MINOR_BITS)
  const minor = device % 2 ** MINOR_BITS
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}`
}
