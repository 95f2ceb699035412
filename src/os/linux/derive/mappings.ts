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
/** Of each address space, whatever their number. */
const MIN_MAPPINGS = 8
/** Either stands at the start of `mm_struct`, or not far from it where the compiler shuffles structures. */
const MM_HEAD_BYTES = 1024
/** MAPLE_NODE_SLOTS and the like of include/linux/maple_tree.h: a node has 256 bytes. */
const NODE_BYTES = 256
const MAX_NODES = 2048
const MAX_CHAIN = 16_384
/** enum maple_type. */
const LEAF = 1
const RANGE = 2
const ARANGE = 3

/** Slots of a node by its type and the pointer's size (include/linux/maple_tree.h). */
function slotsOf(width: 4 | 8, type: number): number {
  if (type === ARANGE) return width === 8 ? 10 : 21
  return width === 8 ? 16 : 32
}

/** A mapping that has not been read. */
interface Range {
  readonly place: Place
  readonly start: number
  readonly end: number
}

/** What an address space holds; undefined when it is more than is walked. */
type Ranges = readonly Range[] | undefined

/** Walks an address space's mappings by one guess of where they hang. */
type Walk = (mm: Sample) => Ranges

/** Some mappings of all address spaces, with where they hang told; empty when neither form was found. */
export function deriveMappings(reader: PlaceReader, mms: MmSet, types: DerivedTypes): Mapping[] {
  const walk = treeWalk(reader, mms, types) ?? listWalk(reader, mms, types)
  if (walk === undefined) return []
  const spaces = mms.samples.flatMap(mm => {
    const ranges = walk(mm)
    return ranges === undefined ? [] : [{ mm, ranges }]
  })
  deriveCount(spaces, types)
  const each = Math.max(MIN_MAPPINGS, Math.floor(MAX_MAPPINGS / spaces.length))
  return spaces.flatMap(({ mm, ranges }) =>
    chosen(reader, mms, mm, ranges, each).map(({ place, start, end }) => {
      return { mm, vma: new Sample(reader, place, VMA_BYTES), start, end }
    }),
  )
}

/** The lowest and the highest of an address space, and those that hold its code, heap and stack. */
function chosen(
  reader: PlaceReader,
  mms: MmSet,
  mm: Sample,
  ranges: readonly Range[],
  limit: number,
): Range[] {
  const marks = [0, 4, 6].map(i => mm.pointer(mms.program + i * reader.pointerBytes))
  return ranges.filter(
    ({ start, end }, i) =>
      i < limit / 2 ||
      i >= ranges.length - limit / 2 ||
      marks.some(address => start <= address && address < end),
  )
}

/** `map_count` counts them; told when the counts differ and only one number follows them. */
function deriveCount(
  spaces: readonly { readonly mm: Sample; readonly ranges: readonly Range[] }[],
  types: DerivedTypes,
): void {
  if (new Set(spaces.map(({ ranges }) => ranges.length)).size < 2) return
  const found = offsetsWhere(
    spaces,
    [0, 1024, 4],
    ({ mm, ranges }, offset) => mm.u32(offset) === ranges.length,
  )
  const [count] = found
  if (count === undefined || found.length > 1) return
  types.set('mm_struct', 'map_count', count, `the number of mappings of ${spaces.length} address spaces`, {
    bytes: 4,
  })
}

/** Whether a guess holds for all address spaces that are walked to their end, and there are some. */
function holdsFor(reader: PlaceReader, mms: MmSet, walk: Walk): boolean {
  let walked = 0
  const fits = agree(mms.samples, mm => {
    const ranges = walk(mm)
    if (ranges === undefined) return true
    walked++
    return ranges.length > 1 && holdProgram(mms, mm, reader.pointerBytes, ranges)
  })
  return fits && walked > 0
}

/** Whether the mappings of a program are complete: they hold its code and its stack. */
function holdProgram(mms: MmSet, mm: Sample, width: number, mappings: readonly Range[]): boolean {
  const { program } = mms
  const holds = (address: number): boolean =>
    mappings.some(({ start, end }) => start <= address && address < end)
  return holds(mm.pointer(program)) && holds(mm.pointer(program + 6 * width))
}

function treeWalk(reader: PlaceReader, mms: MmSet, types: DerivedTypes): Walk | undefined {
  const width = reader.pointerBytes
  const found: number[] = []
  for (let offset = width; offset < MM_HEAD_BYTES; offset += width)
    if (holdsFor(reader, mms, mm => walkTree(reader, mm, offset))) found.push(offset)
  const [root] = found
  if (root === undefined || found.length > 1) return undefined
  // ma_lock comes first; ma_flags stand before the root since 6.4, behind it before (include/linux/maple_tree.h)
  const [before, behind] = [root - 4, root + width].map(offset =>
    agree(mms.samples, mm => isFlags(mm.u32(offset))),
  )
  if (before === behind) return undefined
  const tree = before && width === 4 ? root - 8 : before ? root - 8 : root - width
  if (tree < 0) return undefined
  const count = `${mms.samples.length} address spaces`
  types.set('mm_struct', 'mm_mt', tree, `a maple tree whose ranges are those of mappings, in ${count}`, {
    bytes: before ? 8 + width : 3 * width,
    typeName: 'maple_tree',
    embedded: true,
  })
  types.set('maple_tree', 'ma_root', root - tree, `leads to nodes of known type, in ${count}`)
  types.set('maple_tree', 'ma_flags', (before ? root - 4 : root + width) - tree, undefined, { bytes: 4 })
  describeNodes(width, types)
  return mm => walkTree(reader, mm, root)
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
  const high = sample.high(offset)
  const at = high * 2 ** 32 + (low - (low & 0xff))
  return reader.isPointer(at) ? { at, type: tag >> 3 } : undefined
}

/** The mappings of the tree with that root; empty when a node doesn't fit into its range, undefined when there are too many. */
function walkTree(reader: PlaceReader, mm: Sample, root: number): Ranges {
  const width = reader.pointerBytes
  const top = nodeAt(reader, mm, root)
  if (top === undefined || (mm.u32(root) & 2) === 0) return []
  const open: Node[] = [{ ...top, first: 0, last: 2 ** (8 * width) - 1 }]
  const ranges: Range[] = []
  for (let taken = 0; taken < MAX_NODES; taken++) {
    const node = open.pop()
    if (node === undefined) return ranges
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
        if (reader.isPointer(place)) ranges.push({ place, start: first, end: last + 1 })
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
  return undefined
}

function unsigned(sample: Sample, offset: number, width: 4 | 8): number {
  return width === 8 ? sample.u64(offset) : sample.u32(offset)
}

/** `mmap` leads to the lowest mapping, and each to the next through `vm_next`. */
function listWalk(reader: PlaceReader, mms: MmSet, types: DerivedTypes): Walk | undefined {
  const width = reader.pointerBytes
  const found: { head: number; next: number }[] = []
  for (let head = 0; head < MM_HEAD_BYTES; head += width) {
    if (!agree(mms.samples, mm => reader.isPointer(mm.pointer(head)))) continue
    for (let next = 2 * width; next < VMA_BYTES; next += width)
      if (holdsFor(reader, mms, mm => walkChain(reader, mm, head, next))) found.push({ head, next })
  }
  const [only] = found
  if (only === undefined || found.length > 1) return undefined
  const { head, next } = only
  const why = `a list of ascending ranges with code and stack, in ${mms.samples.length} address spaces`
  types.set('mm_struct', 'mmap', head, why, { typeName: 'vm_area_struct' })
  types.set(
    'vm_area_struct',
    'vm_next',
    next,
    `leads to a higher range or ends, in ${mms.samples.length} lists`,
    {
      typeName: 'vm_area_struct',
    },
  )
  return mm => walkChain(reader, mm, head, next)
}

/** Empty when the ranges do not ascend, undefined when there are too many. */
function walkChain(reader: PlaceReader, mm: Sample, head: number, next: number): Ranges {
  const width = reader.pointerBytes
  const ranges: Range[] = []
  let place = mm.pointer(head)
  let floor = 0
  while (place !== 0) {
    if (!reader.isPointer(place)) return []
    if (ranges.length >= MAX_CHAIN) return undefined
    const start = reader.pointer(place)
    const end = reader.pointer(place, width)
    if (start === undefined || end === undefined || start < floor || end <= start) return []
    if (start % 4096 !== 0 || end % 4096 !== 0) return []
    ranges.push({ place, start, end })
    floor = end
    place = reader.pointer(place, next) ?? -1
  }
  return ranges
}
