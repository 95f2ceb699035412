/**
 * Where members of the process structure lie, by build: facts, for what the kernel's own code does not tell, and to check what it tells.
 *
 * Sources: `pdb` are tables generated from Microsoft's PDBs (the offsets that LibVMI's and Rekall's profiles and Volatility 2's overlays give), `memflow` the tables of
 * memflow-win32, `isf` Volatility 3 symbol tables, `windbg` listings of `dt nt!_EPROCESS` in public articles, `dump` what stands in a real
 * dump: the structure of System, and the debugger's block, which tells members of it. A row with one source is
 * known from that one only. ExitTime is left out where updates of one build moved it (x64 10240 and 14393): an accessor tells it.
 */
import type { WindowsMachine } from './version.js'

export type FactSource = 'pdb' | 'memflow' | 'isf' | 'windbg' | 'dump'

/** Offsets in `_EPROCESS` of one or several builds; `_EPROCESS.ActiveProcessLinks` follows the process id in all of them. */
export interface ProcessRow {
  readonly machine: WindowsMachine
  /** First and last build that it holds for. */
  readonly builds: readonly [number, number]
  readonly UniqueProcessId: number
  readonly ImageFileName: number
  readonly Peb: number
  /** Not known of every machine. */
  readonly VadRoot: number | undefined
  readonly sources: readonly FactSource[]
  /** Members that fewer sources tell. */
  readonly more: Readonly<Record<string, number>>
  readonly moreSources: readonly FactSource[]
}

const NOTHING = {}

function row(
  machine: WindowsMachine,
  builds: readonly [number, number],
  [UniqueProcessId, ImageFileName, Peb, VadRoot]: readonly [number, number, number, number | undefined],
  sources: readonly FactSource[],
  more: Readonly<Record<string, number>> = NOTHING,
  moreSources: readonly FactSource[] = [],
): ProcessRow {
  return { machine, builds, UniqueProcessId, ImageFileName, Peb, VadRoot, sources, more, moreSources }
}

/** 64-bit Windows 10 and 11 from 19041 on: one layout as far as these members go. */
const VB = {
  CreateTime: 0x468,
  ExitTime: 0x840,
  ObjectTable: 0x570,
  SectionBaseAddress: 0x520,
  InheritedFromUniqueProcessId: 0x540,
  Session: 0x558,
  WoW64Process: 0x580,
  ThreadListHead: 0x5e0,
  ActiveThreads: 0x5f0,
}

/** Newer rows of a machine come later. */
export const PROCESS_ROWS: readonly ProcessRow[] = [
  row(
    'x86',
    [2600, 2600],
    [0x84, 0x174, 0x1b0, 0x11c],
    ['pdb', 'isf'],
    {
      CreateTime: 0x70,
      ExitTime: 0x78,
      ObjectTable: 0xc4,
      SectionBaseAddress: 0x13c,
      InheritedFromUniqueProcessId: 0x14c,
      Session: 0x170,
      ThreadListHead: 0x190,
      ActiveThreads: 0x1a0,
    },
    ['isf'],
  ),
  row(
    'x86',
    [3790, 3790],
    [0x84, 0x154, 0x190, 0x258],
    ['pdb'],
    {
      CreateTime: 0x70,
      ExitTime: 0x78,
      ObjectTable: 0xc4,
      SectionBaseAddress: 0x118,
      InheritedFromUniqueProcessId: 0x128,
      Session: 0x150,
      ThreadListHead: 0x170,
      ActiveThreads: 0x180,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [3790, 3790],
    [0x94, 0x164, 0x1a0, 0x250],
    ['pdb', 'windbg'],
    {
      CreateTime: 0x80,
      ExitTime: 0x88,
      ObjectTable: 0xd4,
      SectionBaseAddress: 0x128,
      InheritedFromUniqueProcessId: 0x138,
      Session: 0x160,
      ThreadListHead: 0x180,
      ActiveThreads: 0x190,
    },
    ['windbg'],
  ),
  row(
    'x86',
    [6000, 6002],
    [0x9c, 0x14c, 0x188, 0x238],
    ['pdb'],
    {
      CreateTime: 0x88,
      ExitTime: 0x90,
      ObjectTable: 0xdc,
      SectionBaseAddress: 0x114,
      InheritedFromUniqueProcessId: 0x124,
      Session: 0x148,
      ThreadListHead: 0x168,
      ActiveThreads: 0x178,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [7600, 7601],
    [0xb4, 0x16c, 0x1a8, 0x278],
    ['pdb', 'memflow'],
    {
      CreateTime: 0xa0,
      ExitTime: 0xa8,
      ObjectTable: 0xf4,
      SectionBaseAddress: 0x12c,
      InheritedFromUniqueProcessId: 0x140,
      Session: 0x168,
      ThreadListHead: 0x188,
      ActiveThreads: 0x198,
    },
    ['windbg'],
  ),
  row(
    'x86',
    [9200, 9200],
    [0xb4, 0x170, 0x140, 0x274],
    ['pdb'],
    {
      CreateTime: 0xa8,
      ExitTime: 0x2b8,
      ObjectTable: 0x150,
      SectionBaseAddress: 0x120,
      InheritedFromUniqueProcessId: 0x134,
      Session: 0x144,
      ThreadListHead: 0x194,
      ActiveThreads: 0x19c,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [9600, 9600],
    [0xb4, 0x170, 0x140, 0x274],
    ['pdb'],
    {
      CreateTime: 0xa8,
      ExitTime: 0x2b0,
      ObjectTable: 0x150,
      SectionBaseAddress: 0x120,
      InheritedFromUniqueProcessId: 0x134,
      Session: 0x144,
      ThreadListHead: 0x194,
      ActiveThreads: 0x19c,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [10240, 10240],
    [0xb4, 0x170, 0x144, 0x284],
    ['pdb'],
    {
      CreateTime: 0xc8,
      ExitTime: 0x2c0,
      ObjectTable: 0x154,
      SectionBaseAddress: 0x128,
      InheritedFromUniqueProcessId: 0x138,
      Session: 0x148,
      ThreadListHead: 0x194,
      ActiveThreads: 0x19c,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [10240, 10240],
    [0xb4, 0x170, 0x144, 0x288],
    ['pdb'],
    {
      CreateTime: 0xc8,
      ExitTime: 0x2c0,
      ObjectTable: 0x154,
      SectionBaseAddress: 0x128,
      InheritedFromUniqueProcessId: 0x138,
      Session: 0x148,
      ThreadListHead: 0x194,
      ActiveThreads: 0x19c,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [10586, 10586],
    [0xb4, 0x174, 0x144, 0x284],
    ['pdb'],
    {
      CreateTime: 0xc8,
      ExitTime: 0x2c0,
      ObjectTable: 0x154,
      SectionBaseAddress: 0x128,
      InheritedFromUniqueProcessId: 0x138,
      Session: 0x148,
      ThreadListHead: 0x198,
      ActiveThreads: 0x1a0,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [14393, 14393],
    [0xb4, 0x174, 0x144, 0x28c],
    ['pdb'],
    {
      CreateTime: 0xc8,
      ExitTime: 0x2c8,
      ObjectTable: 0x154,
      SectionBaseAddress: 0x128,
      InheritedFromUniqueProcessId: 0x138,
      Session: 0x148,
      ThreadListHead: 0x198,
      ActiveThreads: 0x1a0,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [15063, 16299],
    [0xb4, 0x17c, 0x14c, 0x298],
    ['pdb'],
    {
      CreateTime: 0xd0,
      ExitTime: 0x2d0,
      ObjectTable: 0x15c,
      SectionBaseAddress: 0x130,
      InheritedFromUniqueProcessId: 0x140,
      Session: 0x150,
      ThreadListHead: 0x1a0,
      ActiveThreads: 0x1a8,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [17134, 17763],
    [0xb4, 0x17c, 0x14c, 0x29c],
    ['pdb'],
    {
      CreateTime: 0xd0,
      ExitTime: 0x2d8,
      ObjectTable: 0x15c,
      SectionBaseAddress: 0x130,
      InheritedFromUniqueProcessId: 0x140,
      Session: 0x150,
      ThreadListHead: 0x1a0,
      ActiveThreads: 0x1a8,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [18362, 18363],
    [0xb4, 0x17c, 0x14c, 0x310],
    ['pdb'],
    {
      CreateTime: 0xd0,
      ExitTime: 0x348,
      ObjectTable: 0x15c,
      SectionBaseAddress: 0x130,
      InheritedFromUniqueProcessId: 0x140,
      Session: 0x150,
      ThreadListHead: 0x1a0,
      ActiveThreads: 0x1a8,
    },
    ['pdb'],
  ),
  row(
    'x86',
    [19041, 19045],
    [0xe4, 0x1ac, 0x17c, 0x350],
    ['pdb', 'memflow'],
    {
      CreateTime: 0x100,
      ExitTime: 0x388,
      ObjectTable: 0x18c,
      SectionBaseAddress: 0x160,
      InheritedFromUniqueProcessId: 0x170,
      Session: 0x180,
      ThreadListHead: 0x1d0,
      ActiveThreads: 0x1d8,
    },
    ['pdb'],
  ),
  row(
    'x64',
    [3790, 3790],
    [0xd8, 0x268, 0x2c0, 0x398],
    ['pdb', 'memflow'],
    {
      CreateTime: 0xc0,
      ExitTime: 0xc8,
      ObjectTable: 0x158,
      SectionBaseAddress: 0x1f8,
      InheritedFromUniqueProcessId: 0x218,
      Session: 0x260,
      Wow64Process: 0x2a8,
      ThreadListHead: 0x290,
      ActiveThreads: 0x2b0,
    },
    ['pdb'],
  ),
  row(
    'x64',
    [6000, 6002],
    [0xe0, 0x238, 0x290, 0x380],
    ['pdb'],
    {
      CreateTime: 0xc8,
      ExitTime: 0xd0,
      ObjectTable: 0x160,
      SectionBaseAddress: 0x1d0,
      InheritedFromUniqueProcessId: 0x1f0,
      Session: 0x230,
      Wow64Process: 0x278,
      ThreadListHead: 0x260,
      ActiveThreads: 0x280,
    },
    ['pdb'],
  ),
  row(
    'x64',
    [7600, 7601],
    [0x180, 0x2e0, 0x338, 0x448],
    ['pdb', 'memflow', 'isf'],
    {
      CreateTime: 0x168,
      ExitTime: 0x170,
      ObjectTable: 0x200,
      SectionBaseAddress: 0x270,
      InheritedFromUniqueProcessId: 0x290,
      Session: 0x2d8,
      Wow64Process: 0x320,
      ThreadListHead: 0x308,
      ActiveThreads: 0x328,
    },
    ['isf'],
  ),
  row(
    'x64',
    [9200, 9200],
    [0x2e0, 0x438, 0x3e8, 0x590],
    ['pdb'],
    {
      CreateTime: 0x2d0,
      ExitTime: 0x610,
      ObjectTable: 0x408,
      SectionBaseAddress: 0x3b0,
      InheritedFromUniqueProcessId: 0x3d0,
      Session: 0x3f0,
      Wow64Process: 0x418,
      ThreadListHead: 0x470,
      ActiveThreads: 0x480,
    },
    ['pdb'],
  ),
  row(
    'x64',
    [9600, 9600],
    [0x2e0, 0x438, 0x3e8, 0x5d8],
    ['pdb', 'isf'],
    {
      CreateTime: 0x2d0,
      ExitTime: 0x640,
      ObjectTable: 0x408,
      SectionBaseAddress: 0x3b0,
      InheritedFromUniqueProcessId: 0x3d0,
      Session: 0x3f0,
      Wow64Process: 0x418,
      ThreadListHead: 0x470,
      ActiveThreads: 0x480,
    },
    ['isf'],
  ),
  row(
    'x64',
    [10240, 10240],
    [0x2e8, 0x448, 0x3f8, 0x608],
    ['pdb'],
    {
      CreateTime: 0x308,
      ObjectTable: 0x418,
      SectionBaseAddress: 0x3c0,
      InheritedFromUniqueProcessId: 0x3e0,
      Session: 0x400,
      Wow64Process: 0x428,
      ThreadListHead: 0x480,
      ActiveThreads: 0x490,
    },
    ['pdb'],
  ),
  row(
    'x64',
    [10586, 10586],
    [0x2e8, 0x450, 0x3f8, 0x610],
    ['pdb'],
    {
      CreateTime: 0x308,
      ExitTime: 0x678,
      ObjectTable: 0x418,
      SectionBaseAddress: 0x3c0,
      InheritedFromUniqueProcessId: 0x3e0,
      Session: 0x400,
      WoW64Process: 0x428,
      ThreadListHead: 0x488,
      ActiveThreads: 0x498,
    },
    ['pdb'],
  ),
  row(
    'x64',
    [14393, 14393],
    [0x2e8, 0x450, 0x3f8, 0x620],
    ['pdb', 'isf'],
    {
      CreateTime: 0x308,
      ObjectTable: 0x418,
      SectionBaseAddress: 0x3c0,
      InheritedFromUniqueProcessId: 0x3e0,
      Session: 0x400,
      WoW64Process: 0x428,
      ThreadListHead: 0x488,
      ActiveThreads: 0x498,
    },
    ['isf'],
  ),
  row(
    'x64',
    [15063, 17763],
    [0x2e0, 0x450, 0x3f8, 0x628],
    ['pdb', 'isf'],
    {
      CreateTime: 0x308,
      ExitTime: 0x690,
      ObjectTable: 0x418,
      SectionBaseAddress: 0x3c0,
      InheritedFromUniqueProcessId: 0x3e0,
      Session: 0x400,
      WoW64Process: 0x428,
      ThreadListHead: 0x488,
      ActiveThreads: 0x498,
    },
    ['isf'],
  ),
  row(
    'x64',
    [18362, 18363],
    [0x2e8, 0x450, 0x3f8, 0x658],
    ['pdb', 'memflow', 'isf'],
    {
      CreateTime: 0x310,
      ExitTime: 0x6c0,
      ObjectTable: 0x418,
      SectionBaseAddress: 0x3c8,
      InheritedFromUniqueProcessId: 0x3e8,
      Session: 0x400,
      WoW64Process: 0x428,
      ThreadListHead: 0x488,
      ActiveThreads: 0x498,
    },
    ['isf'],
  ),
  row('x64', [19041, 19045], [0x440, 0x5a8, 0x550, 0x7d8], ['pdb', 'memflow', 'isf'], VB, ['isf']),
  row('x64', [20348, 22631], [0x440, 0x5a8, 0x550, 0x7d8], ['memflow', 'isf'], VB, ['isf']),
  // all of it is 0x48 below where x64 has it, behind a shorter KPROCESS; what no dump shows is left out
  row(
    'arm64',
    [22000, 22000],
    [0x3f8, 0x560, 0x508, undefined],
    ['dump'],
    {
      CreateTime: 0x420,
      ObjectTable: 0x528,
      InheritedFromUniqueProcessId: 0x4f8,
      ThreadListHead: 0x598,
      ActiveThreads: 0x5a8,
    },
    ['dump'],
  ),
]

/** Rows that may be a build's, the likeliest first: its own, else those of the nearest builds of its machine. */
export function rowsFor(machine: WindowsMachine, build: number): ProcessRow[] {
  const distance = ({ builds: [first, last] }: ProcessRow) =>
    build < first ? first - build : build > last ? build - last : 0
  return PROCESS_ROWS.filter(each => each.machine === machine)
    .map((each, index) => ({ each, index }))
    .sort((a, b) => distance(a.each) - distance(b.each) || a.index - b.index)
    .map(({ each }) => each)
}
