/** The user half of a process: images, heap, PEB with parameters and loader lists, 32-bit ones too, and pages of every kind. */

import type { Builder } from './builder.js'
import { Space } from './builder.js'
import { Facts } from './facts.js'
import { CODE, peHeaders } from './pe.js'
import type { AreaTruth, ModuleTruth, PageTruth } from './truth.js'

export interface UserOptions {
  readonly space: Space
  readonly imagePath: string
  readonly commandLine: string
  readonly session: number
  readonly version: { readonly major: number; readonly minor: number }
  /** A 32-bit program on a 64-bit system. */
  readonly wow64: boolean
  /** With an area whose pages are of all kinds. */
  readonly kinds: boolean
  readonly number: number
}

export interface UserHalf {
  readonly peb: bigint
  readonly peb32?: bigint
  readonly imageBase: bigint
  readonly modules: readonly ModuleTruth[]
  readonly areas: readonly AreaTruth[]
  readonly pages: readonly PageTruth[]
  /** Prototype entries of an area, by its start. */
  readonly prototypes: ReadonlyMap<bigint, bigint>
}

const READ_WRITE = 4
/** As a VAD says it (MM_NOACCESS). */
const NO_ACCESS = 0x18
const WRITE_COPY = 7
const PAGE = 4096n

/** The structures of the 32-bit loader, whose layout no version since 5.1 has changed where it matters. */
const NARROW = new Facts('7-sp1-x86')

export function writeUserHalf(builder: Builder, options: UserOptions): UserHalf {
  const wide = builder.pointerBytes === 8
  const shift = BigInt(options.number) * 0x10_0000n
  const layout = wide
    ? {
        // up to 6.2 addresses of 43 bits
        image: options.wow64
          ? 0x40_0000n
          : (builder.build < 9600 ? 0x7f6_1000_0000n : 0x7ff6_1000_0000n) + shift,
        dlls: builder.build < 9600 ? 0x7fb_2000_0000n : 0x7ffb_2000_0000n,
        heap: 0x1e0_0000n + shift,
        peb: 0x7f_fffd_3000n,
      }
    : { image: 0x40_0000n, dlls: 0x7710_0000n, heap: 0x1e_0000n, peb: 0x7ffd_5000n }
  const half = new UserBuilder(builder, options.space)
  const { imagePath } = options
  const system = `C:\\Windows\\System32\\`
  const image = half.image(imagePath, layout.image, 0x2_0000)
  const images = [
    image,
    half.image(`${system}ntdll.dll`, layout.dlls, 0x1a_0000),
    half.image(`${system}kernel32.dll`, layout.dlls + 0x40_0000n, 0xb_0000),
  ]
  if (options.wow64) images.push(half.image(`${system}wow64.dll`, layout.dlls + 0x60_0000n, 0x5_0000))
  half.area(layout.heap, 0x1_0000, READ_WRITE, 'private')
  const peb = half.peb(layout.peb, layout.heap, images, options, builder.facts, options.space)
  const modules = [...images]
  let peb32: bigint | undefined
  if (options.wow64) {
    const narrow = new Space(builder.memory, options.space.tables, builder.tables, 4)
    const dlls = [
      half.image('C:\\Windows\\SysWOW64\\ntdll.dll', 0x7750_0000n, 0x19_0000, 0x14c),
      half.image('C:\\Windows\\SysWOW64\\kernel32.dll', 0x7620_0000n, 0xe_0000, 0x14c),
    ]
    half.area(0x2a_0000n, 0x1_0000, READ_WRITE, 'private')
    peb32 = half.peb(0x7efd_e000n, 0x2a_0000n, [image, ...dlls], options, NARROW, narrow)
    modules.push(...[image, ...dlls].map(module => ({ ...module, narrow: true as const })))
  }
  if (options.kinds) half.kinds(wide ? 0x3_0000_0000n : 0x300_0000n, options.number)
  return {
    peb,
    ...(peb32 !== undefined && { peb32 }),
    imageBase: layout.image,
    modules,
    areas: half.areas,
    pages: half.pages,
    prototypes: half.prototypes,
  }
}

class UserBuilder {
  readonly areas: AreaTruth[] = []
  readonly pages: PageTruth[] = []
  readonly prototypes = new Map<bigint, bigint>()
  readonly #builder: Builder
  readonly #space: Space

  constructor(builder: Builder, space: Space) {
    this.#builder = builder
    this.#space = space
  }

  area(start: bigint, bytes: number, protection: number, kind: AreaTruth['kind'], path?: string): void {
    const end = start + BigInt(Math.ceil(bytes / 4096) * 4096)
    this.areas.push({ start, end, protection, kind, ...(path !== undefined && { path }) })
  }

  /** A program or library: its headers and first page of code are in memory. */
  image(path: string, base: bigint, size: number, machine?: number): ModuleTruth {
    const wide = this.#builder.pointerBytes === 8 && machine === undefined
    const name = path.slice(path.lastIndexOf('\\') + 1)
    const headers = peHeaders({
      bits: wide ? 64 : 32,
      machine: machine ?? (wide ? 0x8664 : 0x14c),
      imageBytes: size,
      timestamp: 0x5f00_0000 + name.length,
      dll: name.endsWith('.dll'),
      base,
      sections: [{ name: '.text', rva: 0x1000, bytes: 0x1000, flags: CODE }],
    })
    this.#space.map(base, 0x2000, { user: true, writable: false, executable: true })
    this.#space.write(base, headers)
    this.#space.write(base + PAGE, Buffer.from([0xcc, 0xc3]))
    // what a VAD says of its file: the path without the drive
    this.area(base, size, WRITE_COPY, 'image', path.slice(2))
    return { name, path, base, size }
  }

  /** PEB, parameters, and the three loader lists; `heap` is a private area with room for them. */
  peb(
    at: bigint,
    heap: bigint,
    modules: readonly ModuleTruth[],
    { imagePath, commandLine, session, version }: UserOptions,
    facts: Facts,
    space: Space,
  ): bigint {
    const pointerBytes = BigInt(space.pointerBytes)
    const map = (va: bigint, bytes: number): void => this.#space.map(va, bytes, { user: true })
    map(at, 4096)
    this.area(at, 4096, READ_WRITE, 'private')
    map(heap, 0x4000)
    let free = heap + 0x40n
    const take = (bytes: number): bigint => {
      const taken = free
      free += BigInt(Math.ceil(bytes / 16) * 16)
      return taken
    }
    const text = (place: bigint, value: string): void =>
      void space.string(place, value, take(value.length * 2 + 2))
    const field = (base: bigint, path: string): bigint => base + BigInt(facts.offset(path))
    const put = (base: bigint, path: string, value: bigint | number, size?: number): void =>
      space.integer(field(base, path), value, size ?? space.pointerBytes)

    const parameters = take(facts.size('_RTL_USER_PROCESS_PARAMETERS'))
    text(field(parameters, '_RTL_USER_PROCESS_PARAMETERS.ImagePathName'), imagePath)
    text(field(parameters, '_RTL_USER_PROCESS_PARAMETERS.CommandLine'), commandLine)
    const loader = take(facts.size('_PEB_LDR_DATA'))
    put(loader, '_PEB_LDR_DATA.Length', facts.size('_PEB_LDR_DATA'), 4)
    put(loader, '_PEB_LDR_DATA.Initialized', 1, 1)
    const entries = modules.map(module => {
      const entry = take(facts.size('_LDR_DATA_TABLE_ENTRY'))
      put(entry, '_LDR_DATA_TABLE_ENTRY.DllBase', module.base)
      put(entry, '_LDR_DATA_TABLE_ENTRY.EntryPoint', module.base + 0x1000n)
      put(entry, '_LDR_DATA_TABLE_ENTRY.SizeOfImage', module.size, 4)
      text(field(entry, '_LDR_DATA_TABLE_ENTRY.FullDllName'), module.path)
      text(field(entry, '_LDR_DATA_TABLE_ENTRY.BaseDllName'), module.name)
      return entry
    })
    for (const [list, link, listed] of [
      ['InLoadOrderModuleList', 'InLoadOrderLinks', entries],
      ['InMemoryOrderModuleList', 'InMemoryOrderLinks', entries],
      // the program itself has no initialisation
      ['InInitializationOrderModuleList', 'InInitializationOrderLinks', entries.slice(1)],
    ] as const)
      space.ring(
        field(loader, `_PEB_LDR_DATA.${list}`),
        ...listed.map(entry => field(entry, `_LDR_DATA_TABLE_ENTRY.${link}`)),
      )
    put(at, '_PEB.ImageBaseAddress', (modules[0] as ModuleTruth).base)
    put(at, '_PEB.Ldr', loader)
    put(at, '_PEB.ProcessParameters', parameters)
    put(at, '_PEB.OSMajorVersion', version.major, 4)
    put(at, '_PEB.OSMinorVersion', version.minor, 4)
    put(at, '_PEB.OSBuildNumber', this.#builder.build, 2)
    put(at, '_PEB.SessionId', session, 4)
    void pointerBytes
    return at
  }

  /**
   * An area of private pages of all kinds at `start`, a mapped file's behind it. Layouts of the entries: _MMPTE_TRANSITION, _MMPTE_SOFTWARE,
   * _MMPTE_PROTOTYPE of the builds' PDBs.
   */
  kinds(start: bigint, seed: number): void {
    const builder = this.#builder
    const { memory, paging, build } = builder
    const { tables } = this.#space
    const protection = BigInt(READ_WRITE) << 5n
    let number = seed * 100
    const filled = (): number => {
      const gpa = memory.frame()
      memory.write(gpa, Buffer.from(`page of kind ${number++} `.repeat(100)))
      return gpa
    }
    const at = (page: number): bigint => start + BigInt(page) * PAGE
    const put = (page: number, entry: bigint): void =>
      tables.write(tables.entryAt(at(page)), builder.invalid(entry))
    for (const page of [0, 1]) {
      const gpa = filled()
      tables.map(at(page), gpa, { user: true })
      this.pages.push({ va: at(page), kind: 'valid', gpa })
    }
    const transition = filled()
    put(2, BigInt(transition) | protection | 0x800n)
    this.pages.push({ va: at(2), kind: 'transition', gpa: transition })
    put(3, protection)
    this.pages.push({ va: at(3), kind: 'demand-zero' })
    put(4, pageFileEntry(paging, build, 0, 0x1234) | protection)
    this.pages.push({ va: at(4), kind: 'pagefile', pageFile: { number: 0, page: 0x1234 } })
    this.area(start, 16 * 4096, READ_WRITE, 'private')
    // memory that is reserved only, and memory that several may share, with no file behind it
    this.area(start + 0x20_0000n, 8 * 4096, NO_ACCESS, 'private')
    this.area(start + 0x30_0000n, 8 * 4096, READ_WRITE, 'mapped')
    this.#mapped(start + 0x10_0000n, filled, protection)
    if (paging !== 'ia32') this.#large(start + 0x4000_0000n)
  }

  /** A view of a file, by prototype entries. */
  #mapped(start: bigint, filled: () => number, protection: bigint): void {
    const builder = this.#builder
    const { paged, kernel, paging, build } = builder
    const { tables } = this.#space
    const { entryBytes } = tables
    const prototypes = paged.alloc('MmSt', 4 * entryBytes)
    const places = [filled(), filled()] as const
    const entries = [
      BigInt(places[0]) | 0x21n | (paging === 'ia32' ? 0n : 1n << 63n),
      builder.invalid(BigInt(places[1]) | protection | 0x800n),
      builder.invalid(pageFileEntry(paging, build, 1, 0x77) | protection),
      0n,
    ]
    entries.forEach((entry, i) => {
      const address = prototypes + BigInt(i * entryBytes)
      kernel.integer(address, entry, entryBytes)
      const value =
        paging === 'ia32' ? prototype5(address) : builder.invalid(prototype(paging, address) | protection)
      tables.write(tables.entryAt(start + BigInt(i) * PAGE), value)
    })
    this.pages.push(
      { va: start, kind: 'prototype', gpa: places[0] },
      { va: start + PAGE, kind: 'prototype-transition', gpa: places[1] },
      { va: start + 2n * PAGE, kind: 'prototype-pagefile', pageFile: { number: 1, page: 0x77 } },
    )
    this.area(start, 4 * 4096, 1, 'mapped', '\\Users\\user\\Documents\\mapped.dat')
    this.prototypes.set(start, prototypes)
  }

  #large(start: bigint): void {
    const { memory } = this.#builder
    const { tables } = this.#space
    const level = tables.levels - 2
    const bytes = 2 ** tables.shift(level)
    const gpa = memory.largePage(bytes)
    memory.write(gpa + 0x12345, Buffer.from('inside a large page'))
    tables.map(start, gpa, { user: true }, level)
    this.pages.push({ va: start, kind: 'large', gpa })
    this.area(start, bytes, READ_WRITE, 'private')
  }
}

/** 48 bits of the address, sign extended; under PAE all 32. */
function prototype(paging: string, address: bigint): bigint {
  return (paging === 'pae' ? address << 32n : BigInt.asUintN(48, address) << 16n) | 0x400n
}

/** As kernels of 5.x make one without PAE (MiProtoAddressForPte, mi386.h): by the distance from where paged pool starts. */
function prototype5(address: bigint): bigint {
  const distance = address - 0xe100_0000n
  return ((distance >> 1n) & 0xfen) | ((distance << 2n) & 0xffff_f800n) | 0x400n
}

/** MMPTE_SOFTWARE with a place in a page file. */
function pageFileEntry(paging: string, build: number, file: number, page: number): bigint {
  if (paging === 'ia32') return (BigInt(page) << 12n) | (BigInt(file) << 1n)
  const high = BigInt(page) << 32n
  // since 6.2 a bit says that the place is taken; since the fix of L1TF the file's number stands higher (6.2 is as it was released)
  const recent = build >= 9600 || (paging === '4-level' && build >= 7601 && build < 9200)
  if (!recent) return high | (BigInt(file) << 1n)
  return high | (BigInt(file) << 12n) | (build >= 9200 ? 4n : 0n)
}
