/** The mappings of a process as structures: `vm_area_struct`s, by the lists and trees that hold them (include/linux/mm_types.h). */
import { hex } from '../../core/address.js'
import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { StructRecord } from '../struct/record.js'
import type { MmRecord } from './memory-map.js'
import { walkMapleTree } from './walk/maple-tree.js'
import { walkRbTree } from './walk/rbtree.js'

/** What the lists read of a `vm_area_struct`. */
export const VMA = structSpec('vm_area_struct', {
  start: 'vm_start',
  end: 'vm_end',
  next: 'vm_next',
  rbNode: 'vm_rb',
  mm: 'vm_mm',
  flags: ['vm_flags', '__vm_flags', 'flags'],
  offsetPages: 'vm_pgoff',
  file: 'vm_file',
  operations: 'vm_ops',
  private: 'vm_private_data',
  anonymousName: 'anon_name',
  /** In some kernels the name shares its place with this, which mapped files use. */
  shared: 'shared',
})

export type VmaKey = keyof (typeof VMA)['members']
export type VmaRecord = StructRecord<VmaKey>

/** Most mappings read of one process: `vm.max_map_count` is 65530 unless it was raised. */
const MAX_VMAS = 2 ** 18

/**
 * The mappings of a memory descriptor by ascending address: from its maple tree, or from the list of older kernels with the tree
 * of the same mappings beside it; what only the tree holds is taken too, and told.
 */
export function readVmas(reader: StructReader, mm: MmRecord, problems: Problems): VmaRecord[] {
  const tree = mm.addressOf('tree')
  if (tree !== undefined) {
    const entries = walkMapleTree(reader, tree, problems, { what: 'mappings', max: MAX_VMAS })
    return readAll(
      reader,
      mm,
      entries.map(entry => entry.entry),
      problems,
    )
  }
  const listed = vmaList(reader, mm, problems)
  const known = new Set(listed.map(vma => vma.address))
  const inTree = vmaTree(reader, mm, problems)
  const unlisted = inTree.filter(vma => !known.has(vma.address))
  for (const { address } of unlisted)
    problems.add('broken', `mappings: ${hex(address)} is in the tree but not in the list`, address)
  return [...listed, ...unlisted].sort(byStart)
}

/** By `vm_next` from `mm->mmap`. */
function vmaList(reader: StructReader, mm: MmRecord, problems: Problems): VmaRecord[] {
  const vmas: VmaRecord[] = []
  const seen = new Set<bigint>()
  for (let address = mm.pointer('mmap') ?? 0n; address !== 0n; ) {
    if (seen.has(address) || vmas.length >= MAX_VMAS) {
      problems.add(seen.has(address) ? 'loop' : 'cut', `mappings: list ends at ${hex(address)}`, address)
      break
    }
    seen.add(address)
    const vma = readVma(reader, mm, address, problems)
    if (vma === undefined) break
    vmas.push(vma)
    address = vma.pointer('next') ?? 0n
  }
  return vmas
}

function vmaTree(reader: StructReader, mm: MmRecord, problems: Problems): VmaRecord[] {
  const root = mm.link('rbTree')
  const offset = reader.layout(VMA).offset('rbNode')
  if (root === undefined || offset === undefined) return []
  const nodes = walkRbTree(reader, root, problems, { what: 'tree of mappings', max: MAX_VMAS })
  return readAll(
    reader,
    mm,
    nodes.map(node => node - BigInt(offset)),
    problems,
  )
}

function readAll(
  reader: StructReader,
  mm: MmRecord,
  addresses: readonly bigint[],
  problems: Problems,
): VmaRecord[] {
  const vmas: VmaRecord[] = []
  for (const address of addresses) {
    const vma = readVma(reader, mm, address, problems)
    if (vma !== undefined) vmas.push(vma)
  }
  return vmas
}

/** Reads a mapping, and checks that it is one of this process. */
function readVma(
  reader: StructReader,
  mm: MmRecord,
  address: bigint,
  problems: Problems,
): VmaRecord | undefined {
  const vma = reader.record(VMA, address)
  const start = vma?.bigint('start')
  const end = vma?.bigint('end')
  if (vma === undefined || start === undefined || end === undefined) {
    problems.add('absent', `mapping ${hex(address)} is not in memory`, address)
    return undefined
  }
  const owner = vma.pointer('mm')
  if (start >= end || (owner !== undefined && owner !== mm.address)) {
    problems.add(
      'broken',
      `mapping ${hex(address)} is none of ${hex(mm.address)}'s: ${hex(start)}-${hex(end)}`,
      address,
    )
    return undefined
  }
  return vma
}

function byStart(one: VmaRecord, other: VmaRecord): number {
  const difference = (one.bigint('start') ?? 0n) - (other.bigint('start') ?? 0n)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
