/** How an address space holds its mappings: a maple tree (since 6.1) or a list (before), walked to get samples. */
import type { MmSet } from './address-spaces.js'
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'

/** One mapping, read, with the range that its place in the tree or its own words give it. */
export interface Mapping {
  readonly mm: Sample
  readonly vma: Sample
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** Bytes of a `vm_area_struct` that are looked at. */
export const VMA_BYTES = 256
const MAX_MAPPINGS = 256
/** Either is found at the start of `mm_struct`. */
const MM_HEAD_BYTES = 256
/** MAPLE_NODE_SLOTS and the like of include/linux/maple_tree.h: a node has 256 bytes. */
const NODE_BYTES = 256
const MAX_NODES = 4096
/** enum maple_type. */
const LEAF = 1
const RANGE = 2
const ARANGE = 3

/** Slots of a node by its type and the pointer's size (include/linux/maple_tree.h). */
function slotsOf(width: 4 | 8, type: number): number {
  if (type === ARANGE) return width === 8 ? 10 : 21
  return width === 8 ? 16 : 32
}

/** The mappings of all address spaces, with where they hang told; empty when neither form was found. */
export function deriveMappings(reader: PlaceReader, mms: MmSet, types: DerivedTypes): Mapping[] {
  const tree = treeMappings(reader, mms, types)
  return tree.length > 0 ? tree : listedMappings(reader, mms, types)
}

/** Whether the mappings of a program are complete: they hold its code and its stack. */
function holdProgram(mms: MmSet, mm: Sample, width: number, mappings: readonly Mapping[]): boolean {
  const { program } = mms
  const holds = (address: number): boolean =>
    mappings.some(({ start, end }) => start <= address && address < end)
  return holds(mm.pointer(program)) && holds(mm.pointer(program + 6 * width))
}

function treeMappings(reader: PlaceReader, mms: MmSet, types: DerivedTypes): Mapping[] {
  const width = reader.pointerBytes
  const found = offsetsWhere(mms.samples, [width, MM_HEAD_BYTES, width], (mm, offset) => {
    const mappings = walkTree(reader, mm, offset)
    return mappings.length > 1 && holdProgram(mms, mm, width, mappings)
  })
  const [root] = found
  if (root === undefined || found.length > 1) return []
  // ma_lock comes first; ma_flags stand before the root since 6.4, behind it before (include/linux/maple_tree.h)
  const [before, behind] = [root - 4, root + width].map(offset =>
    agree(mms.samples, mm => isFlags(mm.u32(offset))),
  )
  if (before === behind) return []
  const tree = before && width === 4 ? root - 8 : before ? root - 8 : root - width
  const count = `${mms.samples.length} address spaces`
  types.set('mm_struct', 'mm_mt', tree, `a maple tree whose ranges are those of mappings, in ${count}`, {
    bytes: before ? 8 + width : 3 * width,
    typeName: 'maple_tree',
    embedded: true,
  })
  types.set('maple_tree', 'ma_root', root - tree, `leads to nodes of known type, in ${count}`)
  types.set('maple_tree', 'ma_flags', (before ? root - 4 : root + width) - tree, undefined, { bytes: 4 })
  describeNodes(width, types)
  return mms.samples.flatMap(mm => walkTree(reader, mm, root)).slice(0, MAX_MAPPINGS)
}

/** MT_FLAGS_ALLOC_RANGE is set, the depth in bits 2 to 6, and no bit that is unknown. */
function isFlags(flags: number): boolean {
  return (flags & 1) === 1 && flags <= 0xfff
}

/** The constants of lib/maple_tree.c, as types. */
function describeNodes(width: 4 | 8, types: DerivedTypes): void {
  for (const [name, type] of [
    ['maple_range_64', RANGE],
    ['maple_arange_64', ARANGE],
  ] as const) {
    const slots = slotsOf(width, type)
    types.set(name, 'parent', 0)
    types.set(name, 'pivot', width, undefined, { bytes: (slots - 1) * width })
    types.set(name, 'slot', slots * width, undefined, { bytes: slots * width })
    types.setSize(name, NODE_BYTES)
  }
  types.setSize('maple_node', NODE_BYTES)
  types.setEnumerator('maple_dense', 0)
  types.setEnumerator('maple_leaf_64', LEAF)
  types.setEnumerator('maple_range_64', RANGE)
  types.setEnumerator('maple_arange_64', ARANGE)
}

interface Node {
  readonly at: Place
  readonly type: number
  readonly first: number
  readonly last: number
}

/** The node that a word leads to: its low byte holds the type (`mt_mk_node`), its address is a multiple of 256. */
function nodeAt(
  reader: PlaceReader,
  sample: Sample,
  offset: number,
): Omit<Node, 'first' | 'last'> | undefined {
  const low = sample.u32(offset)
  const tag = low & 0xfd
  if (tag !== 0x0c && tag !== 0x14 && tag !== 0x1c) return undefined
  const high = reader.pointerBytes === 8 ? sample.view.getInt32(offset + 4, true) : 0
  const at = high * 2 ** 32 + (low - (low & 0xff))
  return reader.isPointer(at) ? { at, type: tag >> 3 } : undefined
}

/** The mappings of the tree with that root; empty when a node doesn't fit into its range. */
function walkTree(reader: PlaceReader, mm: Sample, root: number): Mapping[] {
  const width = reader.pointerBytes
  const top = nodeAt(reader, mm, root)
  if (top === undefined || (mm.u32(root) & 2) === 0) return []
  const open: Node[] = [{ ...top, first: 0, last: 2 ** (8 * width) - 1 }]
  const mappings: Mapping[] = []
  for (let taken = 0; taken < MAX_NODES; taken++) {
    const node = open.pop()
    if (node === undefined) return mappings
    const bytes = new Sample(reader, node.at, NODE_BYTES)
    const slots = slotsOf(width, node.type)
    let first = node.first
    for (let i = 0; i < slots; i++) {
      const pivot = i < slots - 1 ? unsigned(bytes, width * (1 + i), width) : node.last
      const last = pivot === 0 && i > 0 ? node.last : Math.min(pivot, node.last)
      if (last < first) return []
      const slot = width * (slots + i)
      if (node.type === LEAF) {
        const place = bytes.pointer(slot)
        if (reader.isPointer(place))
          mappings.push({ mm, vma: new Sample(reader, place, VMA_BYTES), start: first, end: last + 1 })
        else if (place !== 0) return []
      } else if (bytes.pointer(slot) !== 0) {
        const child = nodeAt(reader, bytes, slot)
        if (child === undefined) return []
        open.push({ ...child, first, last })
      }
      if (last >= node.last) break
      first = last + 1
    }
  }
  return []
}

function unsigned(sample: Sample, offset: number, width: 4 | 8): number {
  return width === 8 ? sample.u64(offset) : sample.u32(offset)
}

/** `mmap` leads to the lowest mapping, and each to the next through `vm_next`. */
function listedMappings(reader: PlaceReader, mms: MmSet, types: DerivedTypes): Mapping[] {
  const width = reader.pointerBytes
  const found: { head: number; next: number }[] = []
  for (let head = 0; head < MM_HEAD_BYTES; head += width) {
    if (!agree(mms.samples, mm => reader.isPointer(mm.pointer(head)))) continue
    for (let next = 2 * width; next < VMA_BYTES; next += width) {
      const complete = (mm: Sample): boolean =>
        holdProgram(mms, mm, width, walkMappingList(reader, mm, head, next))
      if (agree(mms.samples, complete)) found.push({ head, next })
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) return []
  const { head, next } = only
  const mappings = mms.samples.flatMap(mm => walkMappingList(reader, mm, head, next))
  types.set(
    'mm_struct',
    'mmap',
    head,
    `a list of ascending ranges with code and stack, in ${mms.samples.length} address spaces`,
    {
      typeName: 'vm_area_struct',
    },
  )
  types.set(
    'vm_area_struct',
    'vm_next',
    next,
    `leads to a higher range or ends, in ${mappings.length} mappings`,
    {
      typeName: 'vm_area_struct',
    },
  )
  return mappings.slice(0, MAX_MAPPINGS)
}

function walkMappingList(reader: PlaceReader, mm: Sample, head: number, next: number): Mapping[] {
  const width = reader.pointerBytes
  const mappings: Mapping[] = []
  let place = mm.pointer(head)
  let floor = 0
  while (place !== 0) {
    if (!reader.isPointer(place) || mappings.length >= MAX_NODES) return []
    const vma = new Sample(reader, place, VMA_BYTES)
    const start = unsigned(vma, 0, width)
    const end = unsigned(vma, width, width)
    if (start < floor || end <= start || start % 4096 !== 0 || end % 4096 !== 0) return []
    mappings.push({ mm, vma, start, end })
    floor = end
    place = vma.pointer(next)
  }
  return mappings
}
