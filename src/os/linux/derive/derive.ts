/** Layouts and symbols of a kernel that tells neither: worked out from its data. */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { KernelSymbol, SymbolTable } from '../../../symbols/contract.js'
import { deriveAddressSpaces } from './address-spaces.js'
import { deriveCredentials } from './credentials.js'
import { readExports } from './exports.js'
import { deriveFileSystems } from './file-systems.js'
import { deriveIdentity } from './identity.js'
import { readImage } from './image.js'
import { DerivedTypes } from './layout.js'
import { deriveMappings } from './mappings.js'
import { deriveModules } from './modules.js'
import { deriveNames, type NameSet } from './names.js'
import { deriveShared } from './open-files.js'
import { derivePids } from './pids.js'
import { PlaceReader } from './reader.js'
import { findTaskRing } from './task-ring.js'
import { deriveTasks } from './tasks.js'
import { deriveThreads } from './threads.js'
import { deriveVma } from './vma.js'

export interface DeriveInput {
  /** Reads through the kernel's own tables. */
  readonly memory: VirtualMemory
  /** May hold functions only. */
  readonly symbols: SymbolTable
  /** Virtual address of the kernel's first byte. */
  readonly kernelBase: bigint
  /** gpa of the kernel's own top table. */
  readonly dtb: number
  /** Where an address leads through another top table (any process's); undefined when it is not mapped. */
  translate(dtb: number, va: bigint): number | undefined
}

export interface Derived {
  readonly types: DerivedTypes
  readonly symbols: readonly KernelSymbol[]
  readonly derived: readonly string[]
}

export function deriveTypes(input: DeriveInput): Derived | undefined {
  const { memory, symbols, kernelBase } = input
  const reader = new PlaceReader(memory, kernelBase)
  const parts = readImage(memory, reader, kernelBase, symbols)
  const ring = findTaskRing(reader, parts)
  if (ring === undefined) return undefined
  const types = new DerivedTypes(reader.pointerBytes)
  const tasks = deriveTasks(reader, ring, types)
  if (tasks === undefined) return undefined
  deriveIdentity(reader, tasks, types)
  const mms = deriveAddressSpaces(reader, tasks, input, types)
  let names: NameSet | undefined
  if (mms !== undefined) {
    const mappings = deriveMappings(reader, mms, types)
    const files = deriveVma(reader, parts, mms, mappings, types)
    names = deriveNames(reader, files, types)
    if (names !== undefined) deriveFileSystems(reader, names, types)
  }
  deriveCredentials(reader, tasks, types)
  deriveThreads(reader, tasks, types)
  const pids = derivePids(reader, parts, tasks, types)
  deriveShared(reader, tasks, names, pids?.namespace, types)
  const exported = readExports(reader, parts)
  const modules = deriveModules(reader, parts, types)
  const list: KernelSymbol[] = []
  for (const [name, place] of exported) list.push({ name, address: reader.address(place) })
  if (modules !== undefined) list.push({ name: 'modules', address: reader.address(modules) })
  return { types, symbols: list, derived: types.evidence }
}
