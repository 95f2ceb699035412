/** Where modules show beside their list: sysfs, the tree by which the kernel tells whose code an address is, and memory itself. */

import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'
import { MODULE } from './modules.js'
import type { VmapArea } from './vmap-areas.js'
import { walkRbTree } from './walk/rbtree.js'

const KSET = structSpec('kset', { list: 'list' })
const MODULE_KOBJECT = structSpec('module_kobject', { kobject: 'kobj', entry: 'kobj.entry', module: 'mod' })
const MOD_TREE = structSpec('mod_tree_root', { sequence: 'root.seq', trees: 'root.tree' })
const MOD_TREE_NODE = structSpec('mod_tree_node', { module: 'mod', node: 'node' })

/** Areas larger than this are no module's; and bytes searched in all. */
const MAX_AREA_BYTES = 32 << 20
const MAX_SEARCHED_BYTES = 256 << 20
/** Places looked at more closely, in all. */
const MAX_PLACES = 2 ** 16

/** Modules of /sys/module: `struct module` addresses. Undefined when the kernel's symbols or types don't tell. */
export function sysfsModules(
  kernel: LinuxKernel,
  reader: StructReader,
  problems: Problems,
): bigint[] | undefined {
  const symbol = kernel.symbols.addressOf('module_kset')
  const kset = symbol === undefined ? undefined : reader.pointer(symbol)
  const head = kset === undefined ? undefined : reader.record(KSET, kset)?.addressOf('list')
  const entry = reader.layout(MODULE_KOBJECT).offset('entry')
  if (head === undefined || entry === undefined) return undefined
  const modules: bigint[] = []
  for (const node of walkList(reader, head, problems, { what: 'modules of sysfs' })) {
    // built-in ones with parameters stand there too, without a module
    const module = reader.record(MODULE_KOBJECT, node - BigInt(entry))?.link('module')
    if (module !== undefined) modules.push(module)
  }
  return modules
}

/** Modules of the tree by address (`mod_tree`); undefined where the kernel has none. */
export function treeModules(
  kernel: LinuxKernel,
  reader: StructReader,
  problems: Problems,
): bigint[] | undefined {
  const symbol = kernel.symbols.addressOf('mod_tree')
  const tree = symbol === undefined ? undefined : reader.record(MOD_TREE, symbol)
  const trees = tree?.addressOf('trees')
  const node = reader.layout(MOD_TREE_NODE).offset('node')
  const nodeBytes = reader.types.sizeOf('rb_node') ?? 3 * reader.pointerBytes
  if (tree === undefined || trees === undefined || node === undefined) return undefined
  // a latch tree is two trees of the same things; the sequence's lowest bit tells which one is whole
  const which = (tree.number('sequence') ?? 0) % 2
  const root = reader.pointer(trees + BigInt(which * reader.pointerBytes)) ?? 0n
  const modules = new Set<bigint>()
  for (const at of walkRbTree(reader, root, problems, { what: 'tree of modules' })) {
    const module = reader.record(MOD_TREE_NODE, at - BigInt(node + which * nodeBytes))?.link('module')
    if (module !== undefined) modules.add(module)
  }
  return [...modules]
}

/**
 * Modules that stand in memory: a `struct module` lies in the module's own data, and tells where that starts. So each allocated
 * area is searched for its own address, at the place in a `struct module` where it would stand.
 */
export function modulesInMemory(reader: StructReader, areas: readonly VmapArea[]): bigint[] {
  const offsets = baseOffsets(reader)
  const found: bigint[] = []
  let left = MAX_SEARCHED_BYTES
  let places = MAX_PLACES
  for (const area of areas) {
    if (!area.allocated || area.bytes > MAX_AREA_BYTES || area.bytes > left) continue
    left -= area.bytes
    const { bytes } = reader.memory.read(area.start, area.bytes)
    for (const at of wordsEqual(bytes, area.start, reader.pointerBytes))
      for (const offset of offsets) {
        if (places-- <= 0) return found
        const address = area.start + BigInt(at - offset)
        if (at >= offset && isModule(reader, address, area)) found.push(address)
      }
  }
  return found
}

/** Where a `struct module` tells the start of the memory that it lies in itself. */
function baseOffsets(reader: StructReader): number[] {
  const layout = reader.layout(MODULE)
  const memories = layout.member('memories')
  const stride = reader.types.sizeOf('module_memory')
  const base = reader.types.member('module_memory', 'base')?.offset
  if (memories !== undefined && stride !== undefined && base !== undefined) {
    const offsets: number[] = []
    for (let at = 0; at + stride <= memories.bytes && offsets.length < 16; at += stride)
      offsets.push(memories.offset + at + base)
    return offsets
  }
  return [layout.offset('coreBase'), layout.offset('dataBase')].filter(offset => offset !== undefined)
}

/** Offsets at which the word `value` stands. */
function wordsEqual(bytes: Uint8Array, value: bigint, wordBytes: 4 | 8): number[] {
  const wanted = Buffer.alloc(wordBytes)
  if (wordBytes === 8) wanted.writeBigUInt64LE(value)
  else wanted.writeUInt32LE(Number(value))
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const places: number[] = []
  for (let at = buffer.indexOf(wanted); at >= 0 && places.length < 4096; at = buffer.indexOf(wanted, at + 1))
    if (at % wordBytes === 0) places.push(at)
  return places
}

/** A name that a module can have, a state, a size that the area can hold, and the module's pointer to itself. */
function isModule(reader: StructReader, address: bigint, area: VmapArea): boolean {
  const record = reader.record(MODULE, address)
  const name = record?.text('name')
  if (record === undefined || name === undefined || !/^[\w-]{1,63}$/.test(name)) return false
  if (record.layout.has('self') && record.pointer('self') !== address) return false
  if ((record.number('state') ?? 0) > 3) return false
  const bytes = record.number('coreBytes')
  if (bytes === undefined) return true
  // the structure lies in the memory that it tells of
  return bytes > 0 && bytes <= area.bytes && address < area.start + BigInt(bytes)
}
