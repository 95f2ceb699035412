/** Whole Windows guests, written byte by byte, and what is true of them. */
import { Builder } from './builder.js'
import { writeDebuggerData } from './debugger-data.js'
import { writeDrivers } from './drivers.js'
import { Facts, type GuestName } from './facts.js'
import { GuestMemory } from './guest-memory.js'
import { type KernelImageOptions, writeKernelImage } from './kernel-image.js'
import { Objects } from './objects.js'
import { writePageFiles } from './page-files.js'
import { populationOf } from './population.js'
import { writeProcesses } from './processes.js'
import { writeLowStub, writeProcessor } from './processor.js'
import type { Paging } from './tables.js'
import type { WindowsTruth } from './truth.js'

export type { GuestName } from './facts.js'

export interface GuestOptions {
  /** Default 64 MiB. */
  readonly ramBytes?: number
  /** Separate tables for user code, where the build knows them. */
  readonly separateTables?: boolean
  /** KdDebuggerDataBlock is encoded. Default: from 6.2 on. */
  readonly encoded?: boolean
  /** A bit that is set in every entry that is not valid, as on processors with L1TF. */
  readonly maskBit?: number
  /** Without what boots further processors. */
  readonly withoutLowStub?: boolean
}

export interface WindowsGuest {
  readonly name: GuestName
  readonly memory: GuestMemory
  readonly builder: Builder
  readonly truth: WindowsTruth
  /** Tables that the offsets come from: one only means that nothing confirms them. */
  readonly sources: readonly string[]
}

/** How a guest differs from the others. */
interface Plan {
  readonly build: number
  readonly version: readonly [major: number, minor: number]
  readonly paging: Paging
  readonly base: bigint
  readonly drivers: bigint
  readonly nonPagedPool: bigint
  readonly pagedPool: bigint
  readonly kpcr: bigint
  readonly selfIndex: number
  readonly shape: KernelImageOptions['shape']
  readonly pdb?: string
  readonly guid?: string
  readonly lab: string
  readonly largePages?: true
  readonly separateTables?: true
  readonly handlesOfIds?: 2
}

const XP = {
  build: 2600,
  version: [5, 1],
  base: 0x804d_7000n,
  drivers: 0xf800_0000n,
  nonPagedPool: 0x8120_0000n,
  pagedPool: 0xe100_0000n,
  kpcr: 0xffdf_f000n,
  selfIndex: 0x300,
  lab: '2600.xpsp_sp2_rtm.040803-2158',
} as const

const VISTA_X64 = {
  version: [6, 0],
  paging: '4-level',
  base: 0xffff_f800_0180_4000n,
  drivers: 0xffff_fa60_0060_0000n,
  nonPagedPool: 0xffff_fa80_0180_0000n,
  pagedPool: 0xffff_f880_0010_0000n,
  kpcr: 0xffff_f800_0190_0000n,
  selfIndex: 0x1ed,
  shape: 'plain',
} as const

const PLANS: Readonly<Record<GuestName, Plan>> = {
  'xp-sp2-x86': {
    ...XP,
    paging: 'ia32',
    shape: 'hotpatch',
    pdb: 'ntoskrnl.pdb',
    guid: '32962337F0F646388B39535CD8DD70E8',
  },
  'xp-sp2-x86-pae': {
    ...XP,
    paging: 'pae',
    shape: 'frame',
    pdb: 'ntkrnlpa.pdb',
    guid: 'BD8F451F3E754ED8A34B50560CEB08E3',
  },
  // as ReactOS' kernel is, by its source: made by another compiler, with no PDB, at that address, with its own tag of list entries
  '2003-sp1-x86': {
    build: 3790,
    version: [5, 2],
    paging: 'ia32',
    base: 0x8040_0000n,
    drivers: 0xf700_0000n,
    nonPagedPool: 0x8120_0000n,
    pagedPool: 0xe100_0000n,
    kpcr: 0xffdf_f000n,
    selfIndex: 0x300,
    shape: 'gcc',
    lab: '3790.srv03_sp1_rtm.050324-1447',
  },
  '2003-sp0-x86': {
    build: 3790,
    version: [5, 2],
    paging: 'pae',
    base: 0x804d_e000n,
    drivers: 0xf700_0000n,
    nonPagedPool: 0x8120_0000n,
    pagedPool: 0xe100_0000n,
    kpcr: 0xffdf_f000n,
    selfIndex: 0x300,
    shape: 'frame',
    lab: '3790.srv03_rtm.030324-2048',
  },
  '2003-sp2-x64': {
    build: 3790,
    version: [5, 2],
    paging: '4-level',
    base: 0xffff_f800_0100_0000n,
    drivers: 0xffff_fadf_a000_0000n,
    nonPagedPool: 0xffff_fadf_c000_0000n,
    pagedPool: 0xffff_fa80_0000_0000n,
    kpcr: 0xffff_f800_0117_8000n,
    selfIndex: 0x1ed,
    shape: 'plain',
    lab: '3790.srv03_sp2_rtm.070216-1710',
  },
  'vista-sp0-x64': {
    ...VISTA_X64,
    build: 6000,
    lab: '6000.16386.amd64fre.vista_rtm.061101-2205',
  },
  'vista-sp2-x64': {
    ...VISTA_X64,
    build: 6002,
    lab: '6002.18005.amd64fre.lh_sp2rtm.090410-1830',
  },
  'vista-sp2-x86': {
    build: 6002,
    version: [6, 0],
    paging: 'pae',
    base: 0x8184_0000n,
    drivers: 0x8b80_0000n,
    nonPagedPool: 0x8500_0000n,
    pagedPool: 0x8b00_0000n,
    kpcr: 0x8192_0000n,
    selfIndex: 0x300,
    shape: 'hotpatch',
    lab: '6002.18005.x86fre.lh_sp2rtm.090410-1830',
  },
  '7-sp1-x86': {
    build: 7601,
    version: [6, 1],
    paging: 'pae',
    base: 0x8284_1000n,
    drivers: 0x8b80_0000n,
    nonPagedPool: 0x8500_0000n,
    pagedPool: 0x8b00_0000n,
    kpcr: 0x8297_5c00n & ~0xfffn,
    selfIndex: 0x300,
    shape: 'hotpatch',
    pdb: 'ntkrpamp.pdb',
    guid: '684DA42A30CC450F81C535B4D18944B1',
    lab: '7601.17514.x86fre.win7sp1_rtm.101119-1850',
  },
  '7-sp1-x64': {
    build: 7601,
    version: [6, 1],
    paging: '4-level',
    base: 0xffff_f800_02a1_e000n,
    drivers: 0xffff_f880_00c0_0000n,
    nonPagedPool: 0xffff_fa80_0180_0000n,
    pagedPool: 0xffff_f8a0_0010_0000n,
    kpcr: 0xffff_f800_0400_0000n,
    selfIndex: 0x1ed,
    shape: 'plain',
    pdb: 'ntkrnlmp.pdb',
    guid: '339E74133576439CBCDF7E0229DA3773',
    lab: '7601.24214.amd64fre.win7sp1_ldr_escrow.180801-1700',
    separateTables: true,
  },
  '8-x86': {
    build: 9200,
    version: [6, 2],
    paging: 'pae',
    base: 0x8140_0000n,
    drivers: 0x8b80_0000n,
    nonPagedPool: 0x8500_0000n,
    pagedPool: 0x8b00_0000n,
    kpcr: 0x8190_0000n,
    selfIndex: 0x300,
    shape: 'stack',
    lab: '9200.16384.x86fre.win8_rtm.120725-1247',
  },
  '8-x64': {
    build: 9200,
    version: [6, 2],
    paging: '4-level',
    base: 0xffff_f802_1c80_7000n,
    drivers: 0xffff_f880_0120_0000n,
    nonPagedPool: 0xffff_fa80_0180_0000n,
    pagedPool: 0xffff_f8a0_0010_0000n,
    kpcr: 0xffff_f802_1e00_0000n,
    selfIndex: 0x1ed,
    shape: 'plain',
    lab: '9200.16384.amd64fre.win8_rtm.120725-1247',
  },
  '8.1-x64': {
    build: 9600,
    version: [6, 3],
    paging: '4-level',
    base: 0xffff_f802_1c80_7000n,
    drivers: 0xffff_f800_0120_0000n,
    nonPagedPool: 0xffff_e000_0180_0000n,
    pagedPool: 0xffff_c000_0010_0000n,
    kpcr: 0xffff_f802_1e00_0000n,
    selfIndex: 0x1ed,
    shape: 'plain',
    pdb: 'ntkrnlmp.pdb',
    guid: '06A508F37B81478E855A3542E272C084',
    lab: '9600.19101.amd64fre.winblue_ltsb_escrow.180718-1800',
  },
  '10-17763-x64': {
    build: 17763,
    version: [10, 0],
    paging: '4-level',
    base: 0xffff_f803_2b60_0000n,
    drivers: 0xffff_f803_2d20_0000n,
    nonPagedPool: 0xffff_c08b_dc40_0000n,
    pagedPool: 0xffff_8504_2900_0000n,
    kpcr: 0xffff_f803_2950_0000n,
    selfIndex: 0x1b5,
    shape: 'plain',
    pdb: 'ntkrnlmp.pdb',
    guid: '7A5A7B1F9F5E4B0D8A1E6C3D2B4F9A01',
    lab: '17763.1.amd64fre.rs5_release.180914-1434',
    handlesOfIds: 2,
  },
  '10-19041-x86': {
    build: 19041,
    version: [10, 0],
    paging: 'pae',
    base: 0x81e0_0000n,
    drivers: 0x8c00_0000n,
    nonPagedPool: 0x8800_0000n,
    pagedPool: 0x9400_0000n,
    kpcr: 0x8200_0000n,
    selfIndex: 0x300,
    shape: 'stack',
    pdb: 'ntkrpamp.pdb',
    guid: '1B1D6AA205E1C87DC63A314ACAA50B49',
    lab: '19041.1.x86fre.vb_release.191206-1406',
  },
  '10-19041-x64': {
    build: 19041,
    version: [10, 0],
    paging: '4-level',
    base: 0xffff_f804_7ba0_0000n,
    drivers: 0xffff_f804_7d20_0000n,
    nonPagedPool: 0xffff_c08b_dc40_0000n,
    pagedPool: 0xffff_8504_2900_0000n,
    kpcr: 0xffff_f804_7a50_0000n,
    selfIndex: 0x1b5,
    shape: 'plain',
    pdb: 'ntkrnlmp.pdb',
    guid: '5278AFF86C341677D7D7835C85B7B844',
    lab: '19041.1.amd64fre.vb_release.191206-1406',
    largePages: true,
    handlesOfIds: 2,
  },
  '11-22000-x64': {
    build: 22000,
    version: [10, 0],
    paging: '4-level',
    base: 0xffff_f801_1a60_0000n,
    drivers: 0xffff_f801_1c00_0000n,
    nonPagedPool: 0xffff_a60b_3c40_0000n,
    pagedPool: 0xffff_d30c_9f00_0000n,
    kpcr: 0xffff_f801_1900_0000n,
    selfIndex: 0x13d,
    shape: 'plain',
    pdb: 'ntkrnlmp.pdb',
    guid: '0B0A89438BE7729EB33FD00A7D6FA816',
    lab: '22000.1.amd64fre.co_release.210604-1628',
    largePages: true,
    separateTables: true,
    handlesOfIds: 2,
  },
}

/** Builds whose lists are compared, and no more: other tests have enough with one of each kind. */
export const OTHER_GUEST_NAMES: readonly GuestName[] = [
  '2003-sp0-x86',
  '2003-sp2-x64',
  'vista-sp0-x64',
  'vista-sp2-x64',
  'vista-sp2-x86',
  '8-x86',
  '8-x64',
  '10-17763-x64',
]
export const GUEST_NAMES = (Object.keys(PLANS) as GuestName[]).filter(
  name => !OTHER_GUEST_NAMES.includes(name),
)

/** Pages of pool that were never touched, whose entries tell the mask. */
function reservePool(builder: Builder, start: bigint): void {
  for (let page = 0n; page < 40n; page++) {
    const at = builder.tables.entryAt(start + page * 4096n)
    builder.tables.write(at, builder.invalid(4n << 5n))
  }
}

/** System started then: 2021-02-21, 100 ns since 1601. */
const START_TIME = 132_583_450_000_000_000n

/** Builds a guest; some tens of milliseconds. */
export function buildWindowsGuest(name: GuestName, options: GuestOptions = {}): WindowsGuest {
  const plan = PLANS[name]
  const { ramBytes = 64 << 20 } = options
  const [major, minor] = plan.version
  const wide = plan.paging === '4-level'
  const facts = new Facts(name)
  const memory = new GuestMemory(ramBytes, plan.build + (plan.paging === 'pae' ? 1 : 0))
  const builder = new Builder({
    ...plan,
    memory,
    facts,
    ...(options.maskBit !== undefined && { maskBit: options.maskBit }),
  })
  if (options.maskBit !== undefined) reservePool(builder, plan.pagedPool + 0x800_0000n)
  const machine = wide ? 0x8664 : 0x14c
  const pdb =
    plan.pdb === undefined || plan.guid === undefined
      ? undefined
      : { name: plan.pdb, guid: plan.guid, age: 1 }
  const image = writeKernelImage(builder, {
    base: plan.base,
    machine,
    ...(pdb && { pdb }),
    timestamp: 0x5d2a_0000 + plan.build,
    labText: plan.lab,
    shape: plan.shape,
    largePages: plan.largePages === true,
    exportsModuleList: plan.build >= 6000,
  })
  writeDebuggerData(builder, image, {
    encoded: options.encoded ?? (wide && plan.build >= 9200),
    majorVersion: major,
  })
  const objects = new Objects(builder, image)
  const modules = writeDrivers(builder, image, objects, plan.drivers)
  const pageFiles = writePageFiles(builder, image)
  const separateTables = options.separateTables ?? plan.separateTables === true
  const { processes, thread } = writeProcesses(builder, image, objects, populationOf(wide), {
    version: { major, minor, build: plan.build },
    separateTables,
    handlesOfIds: plan.handlesOfIds ?? 1,
    startTime: START_TIME,
  })
  const registers = writeProcessor(builder, image, {
    kpcr: plan.kpcr,
    currentThread: thread,
    version: { major, minor },
    systemTime: START_TIME + 9_000_000_000n,
  })
  if (wide && options.withoutLowStub !== true) writeLowStub(builder, image.base + 0x5000n)
  builder.finish(plan.kpcr)
  const symbol = (each: string): bigint => image.symbols.get(each) as bigint
  return {
    name,
    memory,
    builder,
    sources: facts.sources,
    truth: {
      version: { major, minor, build: plan.build },
      machine: wide ? 'x64' : 'x86',
      paging: plan.paging,
      dtb: builder.tables.root,
      kernelBase: image.base,
      kernelBytes: image.bytes,
      ...(pdb && { pdb }),
      symbols: image.symbols,
      exports: image.exports,
      processes,
      modules,
      pageFiles,
      registers,
      places: {
        processHead: symbol('PsActiveProcessHead'),
        moduleHead: symbol('PsLoadedModuleList'),
        cidTable: symbol('PspCidTable'),
        kdbg: symbol('KdDebuggerDataBlock'),
        kpcr: plan.kpcr,
        exportTable: image.exportTable,
      },
    },
  }
}
