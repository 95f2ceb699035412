/** Layouts and symbols of a kernel that tells neither: worked out from its data. docs/DECISIONS.md, "Derived layouts". */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { KernelSymbol, SymbolTable } from '../../../symbols/contract.js'
import { deriveAddressSpaces, type Translation } from './address-spaces.js'
import { deriveCredentials } from './credentials.js'
import { readExports } from './exports.js'
import { deriveFileSystems } from './file-systems.js'
import { deriveIdentity } from './identity.js'
import { type ImagePart, readImage } from './image.js'
import { DerivedTypes } from './layout.js'
import { deriveMadeUpNames } from './made-up-names.js'
import { deriveMappings } from './mappings.js'
import { deriveModules } from './modules.js'
import { deriveMountList } from './mount-list.js'
import { deriveNames } from './names.js'
import { deriveShared } from './open-files.js'
import { derivePids } from './pids.js'
import { type Place, PlaceReader } from './reader.js'
import { findTaskRing } from './task-ring.js'
import { deriveTasks } from './tasks.js'
import { deriveThreads } from './threads.js'
import { deriveVma } from './vma.js'

/** A kernel whose page tables are known. */
export interface DeriveInput extends Translation {
  /** Reads through the kernel's own tables. */
  readonly memory: VirtualMemory
  /** May hold functions only, or nothing. */
  readonly symbols: SymbolTable
  /** Virtual address of the kernel's first byte. */
  readonly kernelBase: bigint
}

/** What could be worked out. */
export interface Derived {
  /** Source `derived`. What was ambiguous is not there. */
  readonly types: DerivedTypes
  /**
   * Data that kallsyms may not name: `init_task`, `modules`, `init_pid_ns`, and all data that the kernel exports to modules
   * (`init_net`, `init_uts_ns`, ...).
   */
  readonly symbols: readonly KernelSymbol[]
  /** One line for each value with its evidence: `task_struct.tasks = 0x3c8 (ring of 55 tasks ...)`. */
  readonly derived: readonly string[]
}

/** Splits of a 32-bit address space that Linux can be built with (CONFIG_PAGE_OFFSET), the lowest first. */
const PAGE_OFFSETS = [0x4000_0000, 0x7800_0000, 0x8000_0000, 0xb000_0000, 0xc000_0000]
/** Memory is mapped from address 0 on; this is RAM on every PC. */
const MIB = 2 ** 20

/**
 * Derives layouts and symbols from the kernel's data. Each value is checked with all structures of its kind that are at hand, and
 * left out where more than one place fits. Bounded, whatever memory holds; nothing is thrown. Undefined when neither the ring of
 * tasks nor the table of exported symbols was found.
 */
export function deriveTypes(input: DeriveInput): Derived | undefined {
  const { reader, parts } = open(input)
  const types = new DerivedTypes(reader.pointerBytes)
  const places = new Map<string, Place>()
  deriveStructures(input, reader, parts, types, places)
  return finish(reader, parts, types, places)
}

/**
 * Only the symbols, for kernels that tell their types but name functions only (arm64 without CONFIG_KALLSYMS_ALL): costs a part of
 * what `deriveTypes` does. `types` then holds what was found on the way and is no use.
 */
export function deriveSymbols(input: DeriveInput): Derived | undefined {
  const { reader, parts } = open(input)
  return finish(reader, parts, new DerivedTypes(reader.pointerBytes), new Map())
}

interface Opened {
  readonly reader: PlaceReader
  readonly parts: readonly ImagePart[]
}

function open({ memory, symbols, kernelBase, dtb, translate }: DeriveInput): Opened {
  const fits = (start: number): boolean =>
    start <= Number(kernelBase) && translate(dtb, BigInt(start + MIB)) === MIB
  const start = memory.pointerBytes === 8 ? 0 : (PAGE_OFFSETS.find(fits) ?? Number(kernelBase & 0xc000_0000n))
  const reader = new PlaceReader(memory, start)
  return { reader, parts: readImage(memory, reader, kernelBase, symbols) }
}

/** Everything that hangs on the ring of tasks. */
function deriveStructures(
  input: DeriveInput,
  reader: PlaceReader,
  parts: readonly ImagePart[],
  types: DerivedTypes,
  places: Map<string, Place>,
): void {
  const ring = findTaskRing(reader, parts)
  const tasks = ring === undefined ? undefined : deriveTasks(reader, ring, types)
  if (tasks === undefined) return
  places.set('init_task', tasks.init.at)
  deriveIdentity(reader, tasks, types)
  const mms = deriveAddressSpaces(reader, tasks, input, types)
  const mappings = mms === undefined ? [] : deriveMappings(reader, mms, types)
  const programs = mms === undefined ? [] : deriveVma(reader, parts, mms, mappings, types)
  const names = deriveNames(reader, programs, types)
  if (names !== undefined) deriveFileSystems(reader, names, types)
  deriveCredentials(reader, tasks, types)
  deriveThreads(reader, tasks, types)
  const pids = derivePids(reader, parts, tasks, types)
  if (pids !== undefined) places.set('init_pid_ns', pids.namespace)
  deriveShared(reader, tasks, names, pids?.namespace, types)
  if (names === undefined) return
  deriveMountList(reader, tasks, names, types)
  deriveMadeUpNames(reader, input.symbols, tasks, names, types)
}

/** Adds the list of modules and the exported symbols. */
function finish(
  reader: PlaceReader,
  parts: readonly ImagePart[],
  types: DerivedTypes,
  places: Map<string, Place>,
): Derived | undefined {
  const exported = readExports(reader, parts)
  const modules = deriveModules(reader, parts, types)
  if (modules !== undefined) places.set('modules', modules)
  for (const [name, place] of places) {
    const other = exported.get(name)
    const agreed =
      other === undefined
        ? 'from its data'
        : other === place
          ? 'the exported symbol agrees'
          : 'the exported symbol differs'
    types.tell(`${name} = 0x${reader.address(place).toString(16)} (${agreed})`)
  }
  if (exported.size > 0) types.tell(`${exported.size} symbols of data that the kernel exports to modules`)
  for (const [name, place] of exported) if (!places.has(name)) places.set(name, place)
  if (places.size === 0) return undefined
  const symbols = [...places].map(([name, place]) => ({ name, address: reader.address(place) }))
  return { types, symbols, derived: types.evidence }
}
