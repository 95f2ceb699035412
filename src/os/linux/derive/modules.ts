/** The list of loaded modules and the members of `struct module` (include/linux/module.h), found in the kernel's data. */
import { type ImagePart, wordsOf } from './image.js'
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'

const MODULE_BYTES = 2048
const MAX_MODULES = 4096
const MAX_SAMPLES = 64
const MAX_NAME_BYTES = 60
const MAX_SIZE = 64 * 2 ** 20
const PAGE_BYTES = 4096
/** Kinds of memory that a module may have (enum mod_mem_type). */
const MAX_KINDS = 16

/** Finds `modules`: a list head in the kernel's data whose elements are all followed by a module's name. Returns its place. */
export function deriveModules(
  reader: PlaceReader,
  parts: readonly ImagePart[],
  types: DerivedTypes,
): Place | undefined {
  const width = reader.pointerBytes
  const heads = findHeads(reader, parts)
  const [found] = heads
  if (found === undefined || heads.length > 1) return undefined
  const { head, modules } = found
  // `state` stands before the list and is aligned with it
  const samples = modules.slice(0, MAX_SAMPLES).map(node => new Sample(reader, node - width, MODULE_BYTES))
  if (!agree(samples, module => module.u32(0) <= 3)) return undefined
  const many = `${modules.length} modules`
  types.set('module', 'state', 0, `a small number in front of the list, in ${many}`, { bytes: 4 })
  types.set(
    'module',
    'list',
    width,
    `a ring of ${many} with names behind, and its head in the kernel's data`,
    {
      bytes: 2 * width,
      typeName: 'list_head',
      embedded: true,
    },
  )
  types.set('module', 'name', 3 * width, `names of ${many}`, { bytes: 64 - width })
  deriveMemory(reader, samples, types)
  deriveKallsyms(reader, samples, types)
  return head
}

interface ModuleRing {
  readonly head: Place
  /** Places of the `list` of each. */
  readonly modules: readonly Place[]
}

function findHeads(reader: PlaceReader, parts: readonly ImagePart[]): ModuleRing[] {
  const width = reader.pointerBytes
  const rings: ModuleRing[] = []
  for (const part of parts) {
    const { at } = part
    const words = wordsOf(part)
    const end = at + 4 * words.length
    const step = width / 4
    const signed = width === 8 || reader.kernelStart >= 2 ** 31
    for (let i = 0; i + 2 * step <= words.length; i += step) {
      // few words are pointers, fewer of them two in a row; the sign of the high half tells the most
      if (signed && ((words[i + step - 1] ?? 0) >= 0 || (words[i + 2 * step - 1] ?? 0) >= 0)) continue
      const next = placeIn(words, i, step)
      if (!reader.isPointer(next) || (next >= at && next < end)) continue
      const previous = placeIn(words, i + step, step)
      if (!reader.isPointer(previous) || (previous >= at && previous < end)) continue
      const head = at + 4 * i
      if (reader.pointer(next, width) !== head || nameAt(reader, next) === undefined) continue
      const modules = followRing(reader, head, next)
      if (modules !== undefined && rings.length < 2) rings.push({ head, modules })
    }
  }
  return rings
}

function placeIn(words: Int32Array, i: number, step: number): Place {
  const low = (words[i] ?? 0) >>> 0
  return step === 1 ? low : (words[i + 1] ?? 0) * 2 ** 32 + low
}

function nameAt(reader: PlaceReader, node: Place): string | undefined {
  const name = reader.text(node + 2 * reader.pointerBytes, MAX_NAME_BYTES)
  return name !== undefined && /^[A-Za-z0-9][\w.-]*$/.test(name) ? name : undefined
}

/** The nodes of the ring, when all of them have a name and it closes. */
function followRing(reader: PlaceReader, head: Place, first: Place): Place[] | undefined {
  const width = reader.pointerBytes
  const nodes: Place[] = []
  const names = new Set<string>()
  let previous = head
  for (let node = first; node !== head; ) {
    if (!reader.isPointer(node) || nodes.length >= MAX_MODULES) return undefined
    const name = nameAt(reader, node)
    const next = reader.pointer(node)
    if (name === undefined || names.has(name) || next === undefined) return undefined
    if (reader.pointer(node, width) !== previous) return undefined
    // `struct module` is aligned with a cache line
    if ((node - width) % 32 !== 0) return undefined
    names.add(name)
    nodes.push(node)
    previous = node
    node = next
  }
  return nodes
}

/** Where a module's memory lies: `mem[]` since 6.4, `core_layout` since 4.5. */
function deriveMemory(reader: PlaceReader, samples: readonly Sample[], types: DerivedTypes): void {
  const width = reader.pointerBytes
  const inside = (module: Sample, base: number, size: number): boolean =>
    isRange(module.pointer(base), module.u32(size)) &&
    module.pointer(base) <= module.at &&
    module.at < module.pointer(base) + module.u32(size)
  const span = [0, MODULE_BYTES - 64, width] as const
  // node of the tree by address, which leads back to the module (`mtn.mod`)
  const selves = offsetsWhere(samples, span, (module, offset) => module.pointer(offset) === module.at)
  const layouts = offsetsWhere(samples, span, (module, base) => {
    const sizes = base + width
    const size = module.u32(sizes)
    const parts = [4, 8].map(behind => module.u32(sizes + behind))
    return (
      inside(module, base, sizes) && parts.every(part => part > 0 && part <= size && part % PAGE_BYTES === 0)
    )
  })
  const [layout] = layouts
  if (layout !== undefined && layouts.length === 1) {
    types.set(
      'module',
      'core_layout',
      layout,
      `a range of pages that holds the structure itself, in ${samples.length} modules`,
      {
        bytes: 2 * width,
        typeName: 'module_layout',
        embedded: true,
      },
    )
    types.set('module_layout', 'base', 0)
    types.set('module_layout', 'size', width, undefined, { bytes: 4 })
    types.set('module_layout', 'text_size', width + 4, undefined, { bytes: 4 })
    return
  }
  deriveKinds(samples, selves, width, types)
}

function isRange(base: Place, size: number): boolean {
  return base % PAGE_BYTES === 0 && size > 0 && size <= MAX_SIZE && size % PAGE_BYTES === 0
}

/** `mem[]`: ranges one stride apart, each followed by the node that leads back to the module. */
function deriveKinds(
  samples: readonly Sample[],
  selves: readonly number[],
  width: 4 | 8,
  types: DerivedTypes,
): void {
  const ranges = [8, 12].flatMap(size => {
    const fits = selves
      .map(self => self - 16)
      .filter(base => base >= 0 && samples.every(module => isKind(module, base, base + size)))
    const held = fits.some(base =>
      agree(samples, module => {
        const at = module.pointer(base)
        return at <= module.at && module.at < at + module.u32(base + size)
      }),
    )
    const stride = (fits[1] ?? 0) - (fits[0] ?? 0)
    const even = fits.every((base, i) => base === (fits[0] ?? 0) + i * stride)
    return held && even && stride > 16 && fits.length <= MAX_KINDS ? [{ size, fits, stride }] : []
  })
  const [only] = ranges
  const [first] = only?.fits ?? []
  if (width !== 8 || only === undefined || first === undefined || ranges.length > 1) return
  const { size, stride, fits } = only
  const why = `${fits.length} ranges of pages 0x${stride.toString(16)} apart, one of which holds the structure itself, in ${samples.length} modules`
  types.set('module', 'mem', first, why, {
    bytes: fits.length * stride,
    typeName: 'module_memory',
    embedded: true,
  })
  types.set('module_memory', 'base', 0)
  types.set('module_memory', 'size', size, undefined, { bytes: 4 })
  types.setSize('module_memory', stride)
}

/** A range, or none. */
function isKind(module: Sample, base: number, size: number): boolean {
  const bytes = module.u32(size)
  return bytes === 0 ? true : isRange(module.pointer(base), bytes)
}

/** `kallsyms` leads to `core_kallsyms`, right behind it: symbols, their number, their names, their types. */
function deriveKallsyms(reader: PlaceReader, samples: readonly Sample[], types: DerivedTypes): void {
  const width = reader.pointerBytes
  const found = offsetsWhere(samples, [0, MODULE_BYTES - 64, width], (module, offset) => {
    const core = offset + width
    if (module.pointer(offset) !== module.at + core) return false
    const count = module.u32(core + width)
    const names = module.pointer(core + 2 * width)
    const known =
      reader.isPointer(module.pointer(core)) && (width === 4 || module.u32(core + width + 4) === 0)
    return known && count > 0 && count < 2 ** 20 && reader.u8(names) === 0
  })
  const [kallsyms] = found
  if (kallsyms === undefined || found.length > 1) return
  const why = `leads to the symbols behind it, in ${samples.length} modules`
  types.set('module', 'kallsyms', kallsyms, why, { typeName: 'mod_kallsyms' })
  types.set('module', 'core_kallsyms', kallsyms + width, undefined, {
    bytes: 4 * width,
    typeName: 'mod_kallsyms',
    embedded: true,
  })
  ;['symtab', 'num_symtab', 'strtab', 'typetab'].forEach((name, i) => {
    types.set('mod_kallsyms', name, i * width, undefined, { bytes: i === 1 ? 4 : width })
  })
}
