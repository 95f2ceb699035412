/** The members of a mapping (`vm_area_struct`), from what is known of a program's code, heap and stack. */
import type { MmSet } from './address-spaces.js'
import { type ImagePart, inImage } from './image.js'
import type { DerivedTypes } from './layout.js'
import { type Mapping, VMA_BYTES } from './mappings.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, type Sample } from './samples.js'

/** Bits of `vm_flags` (include/linux/mm.h). */
const VM_READ = 1
const VM_ACCESS = 7
const VM_GROWS_DOWN = 0x100

/** Derives the members of mappings; returns places of the files that programs were started from, for others to learn from. */
export function deriveVma(
  reader: PlaceReader,
  parts: readonly ImagePart[],
  mms: MmSet,
  mappings: readonly Mapping[],
  types: DerivedTypes,
): Place[] {
  const width = reader.pointerBytes
  const span = [0, VMA_BYTES, width] as const
  const many = `${mappings.length} mappings`
  const only = (offsets: readonly number[]): number | undefined =>
    offsets.length === 1 ? offsets[0] : undefined
  const word = (sample: Sample, offset: number): number =>
    width === 8 ? sample.u64(offset) : sample.u32(offset)
  const start = only(offsetsWhere(mappings, span, ({ vma, start }, offset) => word(vma, offset) === start))
  const end = only(offsetsWhere(mappings, span, ({ vma, end }, offset) => word(vma, offset) === end))
  if (start === undefined || end === undefined) return []
  types.set('vm_area_struct', 'vm_start', start, `first address of ${many}`)
  types.set('vm_area_struct', 'vm_end', end, `end of ${many}`)
  const owner = only(offsetsWhere(mappings, span, ({ mm, vma }, offset) => vma.pointer(offset) === mm.at))
  if (owner !== undefined)
    types.set('vm_area_struct', 'vm_mm', owner, `the address space of ${many}`, { typeName: 'mm_struct' })
  const kinds = sortMappings(mms, mappings, width)
  deriveFlags(mappings, kinds, types, width)
  return deriveFile(reader, parts, mappings, kinds, types)
}

interface Kinds {
  readonly code: readonly Mapping[]
  readonly heap: readonly Mapping[]
  readonly stack: readonly Mapping[]
}

function sortMappings({ program }: MmSet, mappings: readonly Mapping[], width: number): Kinds {
  const holding = (index: number): Mapping[] =>
    mappings.filter(({ mm, start, end }) => {
      const address = mm.pointer(program + index * width)
      return start <= address && address < end
    })
  const heap = holding(4).filter(({ mm, start }) => start === mm.pointer(program + 4 * width))
  return { code: holding(0), heap, stack: holding(6) }
}

/** The stack, and no other mapping, grows down; code can be read. */
function deriveFlags(mappings: readonly Mapping[], kinds: Kinds, types: DerivedTypes, width: 4 | 8): void {
  const { code, stack } = kinds
  if (code.length === 0 || stack.length === 0) return
  const stacks = new Set<Mapping>(stack)
  const found = offsetsWhere(mappings, [0, VMA_BYTES, width], (mapping, offset) => {
    const flags = mapping.vma.u32(offset)
    // what is allowed is among what may be allowed, four bits above (VM_MAYREAD and so on)
    if ((flags & VM_ACCESS & ~(flags >>> 4)) !== 0) return false
    return ((flags & VM_GROWS_DOWN) !== 0) === stacks.has(mapping)
  }).filter(offset => agree(code, ({ vma }) => (vma.u32(offset) & VM_READ) !== 0))
  const [flags] = found
  if (flags === undefined || found.length > 1) return
  const why = `${stack.length} stacks grow down and no other of ${mappings.length} mappings does`
  types.set('vm_area_struct', 'vm_flags', flags, why)
}

/** `vm_file` of the code is the address space's `exe_file`; `vm_ops` and `vm_pgoff` stand before it, `vm_private_data` behind. */
function deriveFile(
  reader: PlaceReader,
  parts: readonly ImagePart[],
  mappings: readonly Mapping[],
  { code, heap, stack }: Kinds,
  types: DerivedTypes,
): Place[] {
  const width = reader.pointerBytes
  const anonymous = [...heap, ...stack]
  const known = new Set(
    ['vm_start', 'vm_end', 'vm_mm', 'vm_next'].map(name => types.offset('vm_area_struct', name)),
  )
  const pairs: { exe: number; file: number }[] = []
  for (const file of offsetsWhere(code, [2 * width, VMA_BYTES - width, width], ({ vma }, o) =>
    reader.isPointer(vma.pointer(o)),
  )) {
    if (known.has(file) || !agree(anonymous, ({ vma }) => vma.pointer(file) === 0)) continue
    const same = ({ mm, vma }: Mapping, exe: number): boolean => mm.pointer(exe) === vma.pointer(file)
    for (const exe of offsetsWhere(code, [0, 4096, width], same)) pairs.push({ exe, file })
  }
  const [pair] = pairs
  if (pair === undefined || pairs.length > 1) return []
  const { exe, file } = pair
  const programs = `of ${code.length} programs`
  const ofFile = { typeName: 'file' } as const
  types.set('mm_struct', 'exe_file', exe, `the file mapped as the code ${programs}`, ofFile)
  types.set(
    'vm_area_struct',
    'vm_file',
    file,
    `the executable where the code ${programs} is, NULL for heap and stack`,
    ofFile,
  )
  const page = file - width
  // aarch64 may have pages of 16 or 64 KiB
  const counted = [4096, 16_384, 65_536].some(bytes =>
    agree(heap, ({ vma, start }) => vma.pointer(page) * bytes === start),
  )
  if (counted) types.set('vm_area_struct', 'vm_pgoff', page, `page number of ${heap.length} heaps`)
  const operations = file - 2 * width
  const isOperations = ({ vma }: Mapping): boolean =>
    vma.pointer(operations) === 0 ||
    inImage(parts, vma.pointer(operations)) ||
    reader.isPointer(vma.pointer(operations))
  const toImage = mappings.filter(({ vma }) => inImage(parts, vma.pointer(operations)))
  if (
    toImage.length > 0 &&
    agree(mappings, isOperations) &&
    agree(anonymous, ({ vma }) => vma.pointer(operations) === 0)
  ) {
    types.set(
      'vm_area_struct',
      'vm_ops',
      operations,
      `in the kernel's image for ${toImage.length} mappings, NULL for heap and stack`,
      {
        typeName: 'vm_operations_struct',
      },
    )
    deriveSpecial(reader, parts, mappings, { operations, data: file + width, file }, types)
  }
  return [...new Set(code.map(({ vma }) => vma.pointer(file)))].filter(place => reader.isPointer(place))
}

interface SpecialOffsets {
  readonly operations: number
  readonly data: number
  readonly file: number
}

/** Mappings such as the vdso name themselves: `vm_private_data` leads to a `vm_special_mapping`, which begins with the name. */
function deriveSpecial(
  reader: PlaceReader,
  parts: readonly ImagePart[],
  mappings: readonly Mapping[],
  { operations, data, file }: SpecialOffsets,
  types: DerivedTypes,
): void {
  const special = mappings.filter(
    ({ vma }) =>
      vma.pointer(operations) !== 0 && vma.pointer(file) === 0 && reader.isPointer(vma.pointer(data)),
  )
  const names = special.map(({ vma }) => {
    const at = reader.pointer(vma.pointer(data))
    return reader.isPointer(at) || (at !== undefined && inImage(parts, at)) ? reader.text(at, 32) : undefined
  })
  if (!agree(names, name => name !== undefined && /^\[[\w.:-]+\]$/.test(name))) return
  const told = [...new Set(names)].slice(0, 3).join(', ')
  types.set(
    'vm_area_struct',
    'vm_private_data',
    data,
    `leads to names in ${special.length} mappings: ${told}`,
  )
  types.set('vm_special_mapping', 'name', 0, 'see vm_private_data')
}
