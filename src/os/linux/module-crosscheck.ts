/** Modules by several ways, and what the kernel's own list does not show. */
import type { PhysicalMemory } from '../../core/memory.js'
import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'
import { moduleAreas } from './module-areas.js'
import { modulesInMemory, sysfsModules, treeModules } from './module-sources.js'
import { type LinuxModule, moduleList, readModule } from './modules.js'
import { vmapAreas } from './vmap-areas.js'

/** Where a module was seen. */
export interface ModuleSources {
  /** The list `modules`, which /proc/modules prints. */
  readonly list: boolean
  /** /sys/module. */
  readonly sysfs: boolean
  /** The tree of modules by address. */
  readonly tree: boolean
  /** Its structure in memory that the kernel has mapped for such things. */
  readonly memory: boolean
}

/** A module with where it was seen. */
export interface CheckedModule {
  readonly module: LinuxModule
  readonly sources: ModuleSources
  /** `hidden`: it is loaded, but the list does not have it. */
  readonly verdict: 'listed' | 'hidden'
}

/** Modules from all sources, and which sources could be read at all. */
export interface ModuleCrossCheck extends Listing<CheckedModule> {
  readonly available: ModuleSources
}

/**
 * Every module that any source shows, those of the list first.
 * @param memory with it, what is mapped is taken from the page tables, else from the kernel's list of areas.
 */
export function crossCheckModules(kernel: LinuxKernel, memory?: PhysicalMemory): ModuleCrossCheck {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const list = moduleList(kernel, reader, problems)
  const sysfs = sysfsModules(kernel, reader, problems)
  const tree = treeModules(kernel, reader, problems)
  const known = list.map(address => readModule(reader, address)).filter(module => module !== undefined)
  const mapped = memory === undefined ? [] : moduleAreas(kernel, memory, known, problems)
  const areas = mapped.length > 0 ? mapped : vmapAreas(kernel, reader, problems)
  const carved = modulesInMemory(reader, areas)
  const sets = { list: new Set(list), sysfs: new Set(sysfs), tree: new Set(tree), memory: new Set(carved) }
  const items: CheckedModule[] = []
  for (const address of new Set([...list, ...(sysfs ?? []), ...(tree ?? []), ...carved])) {
    const module = readModule(reader, address)
    // one that is still being loaded is in no list yet
    if (module === undefined || module.state === 'unformed') continue
    const sources = {
      list: sets.list.has(address),
      sysfs: sets.sysfs.has(address),
      tree: sets.tree.has(address),
      memory: sets.memory.has(address),
    }
    items.push({ module, sources, verdict: sources.list ? 'listed' : 'hidden' })
  }
  const available = {
    list: list.length > 0,
    sysfs: sysfs !== undefined,
    tree: tree !== undefined,
    memory: areas.length > 0,
  }
  return { items, problems: problems.list, available }
}
