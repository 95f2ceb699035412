/** Modules of the kernel by four ways, and what its own list does not show. */
import type { PhysicalMemory } from '../../core/memory.js'
import { lastAtOrBelow } from '../../core/sorted.js'
import type { AddressSpace } from '../../paging/address-space.js'
import { collectExtents } from '../../paging/collect-extents.js'
import { vaOf, vpnOf } from '../../paging/translation.js'
import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import { selfMapRange } from './detect/self-map.js'
import type { WindowsKernel } from './kernel.js'
import { type Carved, carveModules } from './module-scan.js'
import { type WindowsModule, windowsModules } from './modules.js'
import { readCodeView } from './pe/code-view.js'
import { readExports } from './pe/exports.js'
import type { PeImage } from './pe/image.js'
import { TextBudget, unicodeOf } from './strings.js'

/** Where a module was seen. */
export interface WindowsModuleSources {
  /** PsLoadedModuleList. */
  readonly list: boolean
  /** An entry of that list in the kernel's pool, linked or not. */
  readonly entry: boolean
  /** A driver's object that names it. */
  readonly object: boolean
  /** Its image in the kernel's addresses. */
  readonly image: boolean
}

/**
 * `listed`: in the list. `hidden`: an entry or a driver's object names it, and its image is mapped, but the list lacks it. `unlisted`:
 * nothing but an image, as of a driver that was loaded without the kernel's help. `unloaded`: what is left of one that is gone.
 */
export type WindowsModuleVerdict = 'listed' | 'hidden' | 'unlisted' | 'unloaded'

/** A module with where it was seen. */
export interface CheckedWindowsModule {
  /** Its address is 0 where no entry of it was found. */
  readonly module: WindowsModule
  readonly sources: WindowsModuleSources
  readonly verdict: WindowsModuleVerdict
}

/** Modules from all sources; a source that is false in `available` could not be read, and says nothing of any module. */
export interface WindowsModuleCrossCheck extends Listing<CheckedWindowsModule> {
  readonly available: WindowsModuleSources
}

const MAX_IMAGE_BYTES = 256 << 20
const PAGE_BYTES = 4096

/** Every module that any source shows, those of the list first, then by address. Reads all of memory once. */
export function crossCheckWindowsModules(
  kernel: WindowsKernel,
  memory: PhysicalMemory,
  space: AddressSpace | undefined,
): WindowsModuleCrossCheck {
  const problems = new Problems()
  const listed = windowsModules(kernel)
  for (const problem of listed.problems) problems.add(problem.kind, problem.message, problem.address)
  const finder = space === undefined ? undefined : new Finder(kernel, memory, space, problems)
  const sets = {
    list: new Map(listed.items.map(module => [module.base, module])),
    entry: finder?.entries ?? new Map<bigint, WindowsModule>(),
    object: finder?.objects ?? new Map<bigint, WindowsModule>(),
    image: finder?.images ?? new Map<bigint, WindowsModule>(),
  }
  const others = [...new Set([...sets.entry.keys(), ...sets.object.keys(), ...sets.image.keys()])]
    .filter(base => !sets.list.has(base))
    .sort((a, b) => (a < b ? -1 : 1))
  const items: CheckedWindowsModule[] = []
  for (const base of [...sets.list.keys(), ...others]) {
    const sources = {
      list: sets.list.has(base),
      entry: sets.entry.has(base),
      object: sets.object.has(base),
      image: sets.image.has(base),
    }
    const module =
      sets.list.get(base) ?? sets.entry.get(base) ?? sets.object.get(base) ?? sets.image.get(base)
    if (module !== undefined) items.push({ module, sources, verdict: verdictOf(module, sources) })
  }
  const available = {
    list: sets.list.size > 0,
    entry: sets.entry.size > 0,
    object: sets.object.size > 0,
    image: sets.image.size > 0,
  }
  return { items, problems: problems.list, available }

  function verdictOf({ base }: WindowsModule, sources: WindowsModuleSources): WindowsModuleVerdict {
    if (sources.list) return 'listed'
    if (!sources.entry && !sources.object) return 'unlisted'
    // a module that was loaded where this one had been
    const taken = listed.items.some(other => base > other.base && base < other.base + BigInt(other.size))
    return !taken && space?.translate(base).kind === 'mapped' ? 'hidden' : 'unloaded'
  }
}

/** Modules by base address, from what stands in memory. */
class Finder {
  readonly entries: ReadonlyMap<bigint, WindowsModule>
  readonly objects: ReadonlyMap<bigint, WindowsModule>
  readonly images: ReadonlyMap<bigint, WindowsModule>
  readonly #kernel: WindowsKernel
  readonly #reader: StructReader
  readonly #space: AddressSpace
  readonly #wide: boolean
  readonly #texts: TextBudget

  constructor(kernel: WindowsKernel, memory: PhysicalMemory, space: AddressSpace, problems: Problems) {
    this.#kernel = kernel
    this.#reader = new StructReader(kernel)
    this.#space = space
    this.#wide = kernel.memory.pointerBytes === 8
    this.#texts = new TextBudget(problems, 'module scan')
    const carved = carveModules(memory, kernel.memory.pointerBytes)
    if (carved.cut) problems.add('cut', 'module scan: more was found than is looked at')
    this.entries = byBase(carved.entries, each => this.#entry(each))
    this.objects = byBase(carved.objects, each => this.#object(each))
    this.images = this.#imagesAmong(carved.headers, memory, problems)
  }

  #pointer(bytes: Buffer, at: number): bigint {
    return this.#wide ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at))
  }

  /** A UNICODE_STRING in `bytes`. */
  #text(bytes: Buffer, at: number): string | undefined {
    return this.#texts.take(() =>
      unicodeOf(this.#kernel.memory, bytes.subarray(at, at + (this.#wide ? 16 : 8))),
    )
  }

  #isBase(base: bigint, size: number): boolean {
    return (
      this.#reader.isKernelAddress(base) &&
      base % BigInt(PAGE_BYTES) === 0n &&
      size > 0 &&
      size <= MAX_IMAGE_BYTES &&
      size % PAGE_BYTES === 0
    )
  }

  /** KLDR_DATA_TABLE_ENTRY, whose start is that of LDR_DATA_TABLE_ENTRY. */
  #entry({ gpa, bytes }: Carved): WindowsModule | undefined {
    const [baseAt, entryAt, sizeAt, pathAt, nameAt] = this.#wide
      ? [0x30, 0x38, 0x40, 0x48, 0x58]
      : [0x18, 0x1c, 0x20, 0x24, 0x2c]
    const base = this.#pointer(bytes, baseAt)
    const size = bytes.readUInt32LE(sizeAt)
    const entryPoint = this.#pointer(bytes, entryAt)
    if (!this.#isBase(base, size)) return undefined
    if (entryPoint !== 0n && (entryPoint < base || entryPoint >= base + BigInt(size))) return undefined
    const name = this.#text(bytes, nameAt)
    if (name === undefined || name === '') return undefined
    const path = this.#text(bytes, pathAt) ?? ''
    return { name, path, base, size, entryPoint, address: this.#addressOf(bytes, gpa) }
  }

  /** The entry's own address: what its neighbour leads back to, or what it leads to itself; 0 where neither is this place. */
  #addressOf(bytes: Buffer, gpa: number): bigint {
    const next = this.#pointer(bytes, 0)
    const back = this.#reader.pointer(next + BigInt(this.#reader.pointerBytes))
    for (const address of [next, back]) {
      if (address === undefined) continue
      const place = this.#space.translate(address)
      if (place.kind === 'mapped' && place.gpa === gpa) return address
    }
    return 0n
  }

  /** DRIVER_OBJECT (wdm.h): DriverStart, DriverSize, DriverName. */
  #object({ bytes }: Carved): WindowsModule | undefined {
    const [baseAt, sizeAt, nameAt] = this.#wide ? [0x18, 0x20, 0x38] : [0xc, 0x10, 0x1c]
    const base = this.#pointer(bytes, baseAt)
    const size = bytes.readUInt32LE(sizeAt)
    const path = this.#text(bytes, nameAt)
    if (!this.#isBase(base, size) || path === undefined || !path.startsWith('\\')) return undefined
    return { name: path.slice(path.lastIndexOf('\\') + 1), path, base, size, address: 0n }
  }

  /** Which of the headers the kernel's addresses show, as images and not as files that are read. */
  #imagesAmong(
    headers: ReadonlyMap<number, PeImage>,
    memory: PhysicalMemory,
    problems: Problems,
  ): Map<bigint, WindowsModule> {
    const { mode, walker } = this.#space
    const places = Float64Array.from(headers.keys()).sort()
    const found = new Map<bigint, WindowsModule>()
    const seen: { readonly vpn: number; readonly gpa: number }[] = []
    const end = mode.vaBits === 32 ? 2 ** (32 - mode.pageShift) : 0
    const tables = selfMapRange(memory, this.#space)
    const whole = collectExtents(walker, vpnOf(mode, mode.kernelStart), end, {
      add(vpn, gpa, pages) {
        let at = lastAtOrBelow(places, gpa - 1) + 1
        for (
          let place = places[at];
          place !== undefined && place < gpa + pages * PAGE_BYTES;
          place = places[++at]
        )
          seen.push({ vpn: vpn + (place - gpa) / PAGE_BYTES, gpa: place })
        return seen.length < MAX_SEEN
      },
    })
    if (!whole) problems.add('cut', `module scan: cut at ${seen.length} images`)
    for (const { vpn, gpa } of seen) {
      const va = vaOf(mode, vpn)
      const base = mode.vaBits === 32 ? BigInt.asUintN(32, va) : BigInt.asUintN(64, va)
      const header = headers.get(gpa)
      const pe = header === undefined ? undefined : { ...header, base }
      // there, large pages look like small ones
      const isTables = tables !== undefined && base >= tables.start && base - tables.start < tables.bytes
      if (pe === undefined || isTables || found.has(base) || !this.#isLaidOut(pe)) continue
      const name =
        readExports(this.#kernel.memory, pe)?.imageName ?? readCodeView(this.#kernel.memory, pe)?.pdb
      found.set(base, { name: name ?? '', path: '', base, size: pe.sizeBytes, address: 0n })
    }
    return found
  }

  /** Files in the cache of files start with the same headers: an image can run, or has its parts where its headers say. */
  #isLaidOut(pe: PeImage): boolean {
    if (readCodeView(this.#kernel.memory, pe) !== undefined) return true
    const code = this.#space.translate(pe.base + BigInt(pe.entryRva))
    return code.kind === 'mapped' && code.executable
  }
}

const MAX_SEEN = 1 << 14

function byBase(
  carved: readonly Carved[],
  read: (each: Carved) => WindowsModule | undefined,
): Map<bigint, WindowsModule> {
  const found = new Map<bigint, WindowsModule>()
  for (const each of carved) {
    const module = read(each)
    if (module !== undefined && !found.has(module.base)) found.set(module.base, module)
  }
  return found
}
