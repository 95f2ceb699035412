/** From a record to a kernel that can be asked. */
import type { Architecture } from '../../../core/architecture.js'
import type { PhysicalMemory } from '../../../core/memory.js'
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { SymbolTable, TypeTable } from '../../../symbols/contract.js'
import type { SymbolFile } from '../../../symbols/load.js'
import type { KernelPlaces, WindowsKernel } from '../kernel.js'
import { addConstants } from '../layout/constants.js'
import { FactTypes, LayeredTypes } from '../layout/facts.js'
import { addFromData } from '../layout/from-data.js'
import { addAccessors, addTable } from '../layout/process-layout.js'
import { versionOfBuild, type WindowsMachine, type WindowsVersion } from '../layout/version.js'
import { readCodeView } from '../pe/code-view.js'
import { MACHINE_AMD64, MACHINE_ARM64, type PeImage, presentBytes } from '../pe/image.js'
import { candidateSpace, type EntryFacts, isFileNumberMoved, windowsAbsent } from './candidate.js'
import type { DebuggerBlock } from './debugger-block.js'
import { maskBitOf, maskBitTold } from './entry-mask.js'
import { type KernelImage, kernelAt } from './kernel-image.js'
import { PlaceFinder } from './places.js'
import type { WindowsRecord } from './record.js'
import { placedSymbols } from './symbol-file.js'

/** A kernel, and what is worth keeping of it. */
export interface OpenedWindows {
  readonly kernel: WindowsKernel
  record(): WindowsRecord
  /** How many places were found since it was opened. */
  learnt(): number
  /** The debugger's block, looked for when it is asked for. */
  block(): DebuggerBlock | undefined
}

/** What a dump's header says where the image does not. */
export interface ToldByDump {
  readonly build?: number
  readonly places?: KernelPlaces
}

/** Whether the record is of this memory: its tables lead to the same kernel. */
export function recordedImage(memory: PhysicalMemory, record: WindowsRecord): KernelImage | undefined {
  const image = kernelAt(candidateSpace(memory, record), record.kernelBase)
  if (image === undefined) return undefined
  const { timestamp, sizeBytes } = image.pe
  return timestamp === record.timestamp && sizeBytes === record.sizeBytes ? image : undefined
}

/**
 * Opens the kernel.
 * @throws VmsiftError `bad-argument` when the symbol file is another kernel's.
 */
export function openWindows(
  memory: PhysicalMemory,
  record: WindowsRecord,
  image: KernelImage,
  file: SymbolFile | undefined,
): OpenedWindows {
  const unknown = candidateSpace(memory, record)
  const build = buildOf(unknown, image.exports.symbols)
  const entries = entryFacts(memory, record, unknown, image, file, build)
  const space = candidateSpace(memory, record, entries)
  const opened = describeKernel(space, image, file, {
    ...(build !== undefined && { build }),
    places: record.places,
  })
  const kernel: WindowsKernel = {
    ...opened.kernel,
    architecture: record.mode.architecture,
    paging: record.mode,
    dtb: record.dtb,
    absent: windowsAbsent(record.mode, entries),
    places: opened.places,
    foundBy: record.foundBy,
  }
  return {
    kernel,
    record: () => ({ ...record, places: opened.places.known() }),
    learnt: () => opened.places.learnt,
    block: () => opened.places.block,
  }
}

/** How the kernel marks entries that are not valid: by the symbol file, else by its build and by the entries themselves. */
function entryFacts(
  memory: PhysicalMemory,
  record: WindowsRecord,
  space: VirtualMemory,
  { pe, exports }: KernelImage,
  file: SymbolFile | undefined,
  build: number | undefined,
): EntryFacts {
  const told = file?.types?.member('_MMPTE_SOFTWARE', 'PageFileLow')
  const fileNumberMoved =
    told === undefined
      ? isFileNumberMoved(build ?? 0, labOf(space, exports.symbols))
      : told.offset * 8 + (told.bits?.first ?? 0) === MOVED_FILE_BIT
  const before6 = build !== undefined && build < 6000
  if (!fileNumberMoved || record.mode.format !== 'x86-64' || record.mode.vaBits === 32)
    return { fileNumberMoved, before6 }
  const mask = file === undefined ? undefined : maskBitTold(file, space, pe)
  return { fileNumberMoved, before6, maskBit: mask === undefined ? maskBitOf(memory, record) : mask.bit }
}

/** The kernel without its page tables: what a triage dump gives as well. */
export function describeKernel(
  memory: VirtualMemory,
  image: KernelImage,
  file: SymbolFile | undefined,
  told: ToldByDump,
): { readonly kernel: Omit<WindowsKernel, 'places'>; readonly places: PlaceFinder } {
  const { pe, exports } = image
  const codeView = readCodeView(memory, pe)
  const pdb =
    codeView === undefined ? undefined : { name: codeView.pdb, guid: codeView.guid, age: codeView.age }
  const exact =
    file === undefined
      ? undefined
      : placedSymbols(file, pe, pdb, knownAddresses(exports.symbols, told.places))
  const symbols: SymbolTable = exact?.symbols ?? exports.symbols
  const version = versionOf(memory, pe, exports.symbols, told.build)
  const facts = new FactTypes()
  const disagreements: string[] = []
  addAccessors(facts, memory, exports.symbols, version.machine)
  if (exact?.types !== undefined) disagreements.push(...against(facts, exact.types))
  disagreements.push(...addTable(facts, version))
  addConstants(facts, version)
  const types: TypeTable = exact?.types === undefined ? facts : new LayeredTypes(exact.types, facts)
  const places = new PlaceFinder(memory, pe, symbols, types, told.places)
  if (exact?.types === undefined && places.systemProcess !== undefined)
    addFromData(facts, memory, places.systemProcess.address)
  const kernel = {
    architecture: architectureOf(version.machine),
    version,
    release: `${version.major}.${version.minor}.${version.build}`,
    build: labOf(memory, exports.symbols),
    pdb,
    kernelBase: pe.base,
    kernelBytes: pe.sizeBytes,
    paging: undefined,
    dtb: 0,
    absent: 'none' as const,
    symbols,
    types,
    memory,
    foundBy: [],
    symbolFile: exact?.types !== undefined,
    origins:
      exact?.types === undefined
        ? facts.origins(['_EPROCESS', '_ETHREAD'])
        : exactOrigins(exact.types, facts),
    disagreements,
  }
  return { kernel, places }
}

/** Exports that every kernel has, and what a dump's header tells. */
function knownAddresses(exports: SymbolTable, places: KernelPlaces = {}): Map<string, bigint> {
  const known = new Map<string, bigint>()
  const add = (name: string, address: bigint | undefined) => address !== undefined && known.set(name, address)
  for (const name of ['PsInitialSystemProcess', 'NtBuildNumber', 'PsProcessType'])
    add(name, exports.addressOf(name))
  const told = (place: KernelPlaces[keyof KernelPlaces]) =>
    place?.from === 'dump' ? place.address : undefined
  add('PsActiveProcessHead', told(places.processHead))
  add('PsLoadedModuleList', told(places.moduleHead))
  add('KdDebuggerDataBlock', told(places.kdbg))
  return known
}

/** What code says against what the symbol file says. */
function against(facts: FactTypes, exact: TypeTable): string[] {
  return facts.origins(['_EPROCESS', '_ETHREAD']).flatMap(({ member, offset, from }) => {
    const [type, ...path] = member.split('.')
    const told = exact.member(type ?? '', path.join('.'))?.offset
    if (told === undefined || told === offset) return []
    return [`${member}: 0x${offset.toString(16)} by ${from}, 0x${told.toString(16)} by the symbol file`]
  })
}

/** The members that the lists use, as the symbol file has them. */
function exactOrigins(exact: TypeTable, facts: FactTypes) {
  return facts.origins(['_EPROCESS', '_ETHREAD']).flatMap(({ member }) => {
    const [type, ...path] = member.split('.')
    const offset = exact.member(type ?? '', path.join('.'))?.offset
    return offset === undefined ? [] : [{ member, offset, from: exact.source }]
  })
}

/** IMAGE_FILE_MACHINE as the lists tell processors apart. */
function machineOf({ machine }: PeImage): WindowsMachine {
  if (machine === MACHINE_AMD64) return 'x64'
  return machine === MACHINE_ARM64 ? 'arm64' : 'x86'
}

function architectureOf(machine: WindowsMachine): Architecture {
  if (machine === 'x64') return 'x86_64'
  return machine === 'arm64' ? 'aarch64' : 'i386'
}

/** Where the number of a page file starts since it moved. */
const MOVED_FILE_BIT = 12

/** KUSER_SHARED_DATA in the kernel's half: its version and build (ntddk.h). */
const SHARED_DATA = { x86: 0xffdf_0000n, x64: 0xffff_f780_0000_0000n, arm64: 0xffff_f780_0000_0000n }
const SHARED_BUILD = 0x260
const SHARED_MAJOR = 0x26c
const MAX_BUILD = 0xffff

/** NtBuildNumber: the build, with a mark of the kind of build above. */
export function buildOf(memory: VirtualMemory, symbols: SymbolTable): number | undefined {
  const address = symbols.addressOf('NtBuildNumber')
  const value = address === undefined ? undefined : presentBytes(memory, address, 4)?.readUInt32LE(0)
  const build = value === undefined ? 0 : value & MAX_BUILD
  return build >= 1000 ? build : undefined
}

function versionOf(
  memory: VirtualMemory,
  pe: PeImage,
  symbols: SymbolTable,
  told: number | undefined,
): WindowsVersion {
  const machine = machineOf(pe)
  const shared = presentBytes(memory, SHARED_DATA[machine] + BigInt(SHARED_BUILD), 0x20)
  const [major, minor] =
    shared === undefined
      ? [0, 0]
      : [
          shared.readUInt32LE(SHARED_MAJOR - SHARED_BUILD),
          shared.readUInt32LE(SHARED_MAJOR - SHARED_BUILD + 4),
        ]
  const sharedBuild = shared === undefined || major < 10 ? 0 : shared.readUInt32LE(0) & MAX_BUILD
  const build = buildOf(memory, symbols) ?? told ?? sharedBuild
  // what stands there may be anything
  const sane = (major >= 5 && major <= 6 && minor <= 4) || (major === 10 && minor === 0)
  return { ...(sane ? { major, minor } : versionOfBuild(build)), build, machine }
}

/** NtBuildLab, where it is exported and a text. */
function labOf(memory: VirtualMemory, symbols: SymbolTable): string | undefined {
  const address = symbols.addressOf('NtBuildLab')
  const bytes = address === undefined ? undefined : presentBytes(memory, address, 96)
  const text = bytes?.toString('latin1').replace(/\0.*$/s, '') ?? ''
  return /^\d+\.[\w.() -]{1,90}$/.test(text) ? text : undefined
}
