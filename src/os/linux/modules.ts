/** Loaded kernel modules, as /proc/modules prints them (kernel/module, include/linux/module.h). */
import { hex } from '../../core/address.js'
import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import type { StructRecord } from '../struct/record.js'
import { walkList } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'

/** A stretch of memory that belongs to a module. */
export interface ModuleRange {
  readonly start: bigint
  readonly bytes: number
}

/** What a module is doing (`enum module_state`). */
export type ModuleState = 'live' | 'loading' | 'unloading' | 'unformed'

/** A loaded module. */
export interface LinuxModule {
  readonly name: string
  /** Where its code starts. */
  readonly base: bigint
  /** Bytes in all, as /proc/modules prints them. */
  readonly size: number
  readonly state?: ModuleState
  /** Kernel virtual address of its `struct module`. */
  readonly address: bigint
  /** Code and data, every stretch. */
  readonly ranges: readonly ModuleRange[]
}

/** What the lists read of a `struct module`. */
export const MODULE = structSpec('module', {
  state: 'state',
  list: 'list',
  name: 'name',
  /** Leads back to the module itself. */
  self: 'mkobj.mod',
  /** 6.4 and later: an array of `module_memory`, one a purpose, code first. */
  memories: 'mem',
  coreBase: ['core_layout.base', 'module_core'],
  coreBytes: ['core_layout.size', 'core_size'],
  initBase: ['init_layout.base', 'module_init'],
  initBytes: ['init_layout.size', 'init_size'],
  dataBase: 'data_layout.base',
  dataBytes: 'data_layout.size',
})

export type ModuleKey = keyof (typeof MODULE)['members']

const MODULE_MEMORY = structSpec('module_memory', { base: 'base', bytes: 'size' })

/** More than this many modules, or bytes in one, no guest has. */
const MAX_MODULES = 2 ** 14
const MAX_MODULE_BYTES = 2 ** 31
const STATES: readonly ModuleState[] = ['live', 'loading', 'unloading', 'unformed']

/** The modules in the order of the kernel's list, newest first; those that are not formed yet are left out, as in /proc/modules. */
export function modules(kernel: LinuxKernel): Listing<LinuxModule> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const items: LinuxModule[] = []
  for (const address of moduleList(kernel, reader, problems)) {
    const module = readModule(reader, address)
    if (module === undefined) problems.add('absent', `module ${hex(address)} is not in memory`, address)
    else if (module.state !== 'unformed') items.push(module)
  }
  return { items, problems: problems.list }
}

/** Addresses of the `struct module`s of the list `modules`. */
export function moduleList(kernel: LinuxKernel, reader: StructReader, problems: Problems): bigint[] {
  const head = kernel.symbols.addressOf('modules')
  const offset = reader.layout(MODULE).offset('list')
  if (head === undefined || offset === undefined) {
    problems.add('unknown', `modules: ${head === undefined ? 'no symbol modules' : 'no member module.list'}`)
    return []
  }
  const nodes = walkList(reader, head, problems, { what: 'module list', max: MAX_MODULES })
  return nodes.map(node => node - BigInt(offset))
}

/** Reads a module; undefined when its structure is not in memory. */
export function readModule(reader: StructReader, address: bigint): LinuxModule | undefined {
  const record = reader.record(MODULE, address)
  const name = record?.text('name')
  if (record === undefined || name === undefined) return undefined
  const ranges = moduleRanges(reader, record)
  const state = STATES[record.number('state') ?? -1]
  const base = record.layout.has('memories') ? ranges[0]?.start : record.pointer('coreBase')
  return {
    name,
    base: base ?? 0n,
    size: ranges.reduce((sum, range) => sum + range.bytes, 0),
    ...(state === undefined ? {} : { state }),
    address,
    ranges: ranges.filter(range => range.bytes > 0),
  }
}

/** Its stretches, code first; also empty ones. */
function moduleRanges(reader: StructReader, record: StructRecord<ModuleKey>): ModuleRange[] {
  const memories = record.addressOf('memories')
  if (memories !== undefined) return memoryRanges(reader, record, memories)
  const pairs = [
    ['coreBase', 'coreBytes'],
    ['dataBase', 'dataBytes'],
    ['initBase', 'initBytes'],
  ] as const
  return pairs.flatMap(([base, bytes]) => rangeOf(record.pointer(base), record.number(bytes)))
}

function memoryRanges(
  reader: StructReader,
  record: StructRecord<ModuleKey>,
  memories: bigint,
): ModuleRange[] {
  const stride = reader.types.sizeOf('module_memory') ?? 0
  const bytes = record.layout.member('memories')?.bytes ?? 0
  const count = stride === 0 ? 0 : Math.min(16, Math.floor(bytes / stride))
  const ranges: ModuleRange[] = []
  for (let i = 0; i < count; i++) {
    const memory = reader.record(MODULE_MEMORY, memories + BigInt(i * stride))
    ranges.push(...rangeOf(memory?.pointer('base'), memory?.number('bytes')))
  }
  return ranges
}

function rangeOf(start: bigint | undefined, bytes: number | undefined): ModuleRange[] {
  if (start === undefined || bytes === undefined || bytes > MAX_MODULE_BYTES) return []
  return [{ start, bytes }]
}
