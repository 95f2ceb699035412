/** Modules of the kernel: PsLoadedModuleList, in the order in which they were loaded. */
import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { WindowsKernel } from './kernel.js'
import { TextBudget, unicodeOf } from './strings.js'

const MODULE = structSpec('_LDR_DATA_TABLE_ENTRY', {
  links: 'InLoadOrderLinks',
  base: 'DllBase',
  entry: 'EntryPoint',
  size: 'SizeOfImage',
  path: 'FullDllName',
  name: 'BaseDllName',
})

/** A driver, a kernel library, or the kernel itself. */
export interface WindowsModule {
  readonly name: string
  readonly path: string
  readonly base: bigint
  readonly size: number
  readonly entryPoint?: bigint
  /** Kernel virtual address of its entry. */
  readonly address: bigint
}

const MAX_MODULES = 1 << 14

/** The modules that the kernel's list holds. */
export function windowsModules(kernel: WindowsKernel): Listing<WindowsModule> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const head = kernel.places.moduleHead
  if (head === undefined) {
    problems.add('unknown', 'module list: no list head is known')
    return { items: [], problems: problems.list }
  }
  const items: WindowsModule[] = []
  const texts = new TextBudget(problems, 'module list')
  const nodes = walkList(reader, head.address, problems, { what: 'module list', max: MAX_MODULES })
  for (const address of nodes) {
    const entry = reader.record(MODULE, address)
    const base = entry?.pointer('base')
    if (entry === undefined || base === undefined) {
      problems.add('absent', `module list: entry 0x${address.toString(16)} is not in memory`, address)
      continue
    }
    const text = (name: 'name' | 'path') => {
      const head = entry.bytes(name)
      return (head === undefined ? undefined : texts.take(() => unicodeOf(kernel.memory, head))) ?? ''
    }
    const entryPoint = entry.link('entry')
    items.push({
      name: text('name'),
      path: text('path'),
      base,
      size: entry.number('size') ?? 0,
      ...(entryPoint !== undefined && { entryPoint }),
      address,
    })
  }
  const { dumpModules } = kernel
  // a triage dump has no list, and its header has what is left of it
  if (items.length === 0 && dumpModules !== undefined)
    return {
      items: dumpModules.map(({ name: path, base, size }) => {
        const name = path.slice(path.lastIndexOf('\\') + 1)
        return { name, path, base, size, address: 0n }
      }),
      problems: [],
    }
  return { items, problems: problems.list }
}
