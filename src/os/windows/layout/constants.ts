/**
 * Layouts that have not changed in a version or in any: documented structures (PEB, loader entries, strings; winternl.h, phnt), and the
 * object manager's and memory manager's (Windows Internals, part 1 and 2; ReactOS ndk for 5.2). Volatility 3's and memflow's tables agree
 * with each that they have.
 */
import type { Member } from '../../../symbols/contract.js'
import type { FactTypes } from './facts.js'
import { isAtLeast, type WindowsVersion } from './version.js'

/** What a member is: its bytes, a pointer, a list entry, a counted string, or bits of a word. */
type Kind =
  | 1
  | 2
  | 4
  | 8
  | 'pointer'
  | 'list'
  | 'string'
  | readonly [bytes: 4 | 8, first: number, count: number]

/** Offset on 32 bits, on 64 bits (undefined: not there), and what it is. */
type Entry = readonly [narrow: number | undefined, wide: number | undefined, kind: Kind]

type Structure = Readonly<Record<string, Entry>>

const ALWAYS: Readonly<Record<string, Structure>> = {
  _LIST_ENTRY: { Flink: [0, 0, 'pointer'], Blink: [4, 8, 'pointer'] },
  _UNICODE_STRING: { Length: [0, 0, 2], MaximumLength: [2, 2, 2], Buffer: [4, 8, 'pointer'] },
  _LDR_DATA_TABLE_ENTRY: {
    InLoadOrderLinks: [0, 0, 'list'],
    DllBase: [0x18, 0x30, 'pointer'],
    EntryPoint: [0x1c, 0x38, 'pointer'],
    SizeOfImage: [0x20, 0x40, 4],
    FullDllName: [0x24, 0x48, 'string'],
    BaseDllName: [0x2c, 0x58, 'string'],
  },
  _PEB: {
    ImageBaseAddress: [8, 0x10, 'pointer'],
    Ldr: [0xc, 0x18, 'pointer'],
    ProcessParameters: [0x10, 0x20, 'pointer'],
  },
  _PEB_LDR_DATA: { InLoadOrderModuleList: [0xc, 0x10, 'list'] },
  _RTL_USER_PROCESS_PARAMETERS: {
    ImagePathName: [0x38, 0x60, 'string'],
    CommandLine: [0x40, 0x70, 'string'],
  },
  _FILE_OBJECT: {
    Type: [0, 0, 2],
    Size: [2, 2, 2],
    DeviceObject: [4, 8, 'pointer'],
    FileName: [0x30, 0x58, 'string'],
  },
  _OBJECT_HEADER_NAME_INFO: { Directory: [0, 0, 'pointer'], Name: [4, 8, 'string'] },
  _SUBSECTION: { ControlArea: [0, 0, 'pointer'] },
  _KPROCESS: { DirectoryTableBase: [0x18, 0x28, 'pointer'] },
  _DISPATCHER_HEADER: { Type: [0, 0, 1], Size: [2, 2, 1] },
}

/** From 5.1 to 6.0. */
const OBJECTS_BEFORE_7: Readonly<Record<string, Structure>> = {
  _OBJECT_HEADER: {
    PointerCount: [0, 0, 'pointer'],
    HandleCount: [4, 8, 'pointer'],
    Type: [8, 0x10, 'pointer'],
    NameInfoOffset: [0xc, 0x18, 1],
    Body: [0x18, 0x30, 'pointer'],
  },
  _OBJECT_TYPE: { Name: [0x40, 0x78, 'string'] },
}

const OBJECTS_SINCE_7: Readonly<Record<string, Structure>> = {
  _OBJECT_HEADER: {
    PointerCount: [0, 0, 'pointer'],
    HandleCount: [4, 8, 'pointer'],
    TypeIndex: [0xc, 0x18, 1],
    InfoMask: [0xe, 0x1a, 1],
    Body: [0x18, 0x30, 'pointer'],
  },
  _OBJECT_TYPE: { Name: [8, 0x10, 'string'], Index: [0x14, 0x28, 1] },
}

const HANDLES_BEFORE_8: Structure = {
  TableCode: [0, 0, 'pointer'],
  QuotaProcess: [4, 8, 'pointer'],
  UniqueProcessId: [8, 0x10, 'pointer'],
}

const HANDLES_SINCE_8: Structure = {
  TableCode: [8, 8, 'pointer'],
  QuotaProcess: [0xc, 0x10, 'pointer'],
  UniqueProcessId: [0x18, 0x28, 'pointer'],
}

/** 5.1 and the first 5.2: page numbers first. */
const VAD_XP: Readonly<Record<string, Structure>> = {
  _MMVAD_SHORT: {
    StartingVpn: [0, undefined, 4],
    EndingVpn: [4, undefined, 4],
    LeftChild: [0xc, undefined, 'pointer'],
    RightChild: [0x10, undefined, 'pointer'],
    Protection: [0x14, undefined, [4, 24, 5]],
    PrivateMemory: [0x14, undefined, [4, 31, 1]],
    ImageMap: [0x14, undefined, [4, 20, 1]],
  },
  _MMVAD: { ControlArea: [0x18, undefined, 'pointer'] },
}

/** 5.2 with service pack 1 and 6.0: an AVL tree; a VAD leads to its control area. */
const VAD_2003: Readonly<Record<string, Structure>> = {
  _MMVAD_SHORT: {
    LeftChild: [4, 8, 'pointer'],
    RightChild: [8, 0x10, 'pointer'],
    StartingVpn: [0xc, 0x18, 'pointer'],
    EndingVpn: [0x10, 0x20, 'pointer'],
    Protection: [0x14, 0x28, [8, 56, 5]],
    PrivateMemory: [0x14, 0x28, [8, 63, 1]],
    VadType: [0x14, 0x28, [8, 52, 3]],
  },
  _MMVAD: { ControlArea: [0x18, 0x30, 'pointer'] },
}

/** 6.1: the same tree; a VAD leads to its subsection. */
const VAD_7: Readonly<Record<string, Structure>> = {
  ...VAD_2003,
  _MMVAD: { Subsection: [0x24, 0x48, 'pointer'] },
}

/** 6.3 and later: balanced nodes, page numbers of 32 bits with a byte above. */
function vadSince81(firstBit: number): Readonly<Record<string, Structure>> {
  return {
    _MMVAD_SHORT: {
      LeftChild: [0, 0, 'pointer'],
      RightChild: [4, 8, 'pointer'],
      StartingVpn: [0xc, 0x18, 4],
      EndingVpn: [0x10, 0x1c, 4],
      StartingVpnHigh: [undefined, 0x20, 1],
      EndingVpnHigh: [undefined, 0x21, 1],
      VadType: [0x1c, 0x30, [4, firstBit, 3]],
      Protection: [0x1c, 0x30, [4, firstBit + 3, 5]],
    },
    _MMVAD: { Subsection: [0x2c, 0x48, 'pointer'] },
  }
}

/** `_EPROCESS.UniqueProcessId` of 5.1, and of 5.2 without a service pack. */
const EARLY_52_ID = 0x84

/** Adds what this version's structures look like; of the process structure what is known must be in `facts` already. */
export function addConstants(facts: FactTypes, version: WindowsVersion): void {
  // 5.2 without a service pack has the processes and the VADs of 5.1
  const early =
    version.machine === 'x86' && facts.member('_EPROCESS', 'UniqueProcessId')?.offset === EARLY_52_ID
  const wide = version.machine !== 'x86'
  const add = (structures: Readonly<Record<string, Structure>>) => addAll(facts, structures, wide)
  const seven = isAtLeast(version, 6, 1)
  add(ALWAYS)
  add(seven ? OBJECTS_SINCE_7 : OBJECTS_BEFORE_7)
  add({ _HANDLE_TABLE: isAtLeast(version, 6, 2) ? HANDLES_SINCE_8 : HANDLES_BEFORE_8 })
  add({
    _CONTROL_AREA: {
      FilePointer: [controlAreaFile(version), seven || isAtLeast(version, 6, 0) ? 0x40 : 0x38, 'pointer'],
    },
  })
  // 5.2 has the structure's own address before it
  add({
    _MM_SESSION_SPACE: {
      SessionId: isAtLeast(version, 5, 2) && !isAtLeast(version, 6, 0) ? [0xc, 0x10, 4] : [8, 8, 4],
    },
  })
  facts.size('_HANDLE_TABLE_ENTRY', wide ? 16 : 8)
  add(early ? VAD_XP : vadOf(version))
  facts.add('_EPROCESS', 'Pcb.DirectoryTableBase', member(wide ? 0x28 : 0x18, 'pointer', wide), 'structure')
  const root = facts.member('_EPROCESS', 'VadRoot')
  if (root !== undefined && !early && vadRootIsTable(version))
    facts.add(
      '_EPROCESS',
      'VadRoot.BalancedRoot.RightChild',
      member(root.offset + 2 * (wide ? 8 : 4), 'pointer', wide),
      'structure',
    )
}

function controlAreaFile(version: WindowsVersion): number {
  return isAtLeast(version, 6, 2) ? 0x20 : 0x24
}

function vadOf(version: WindowsVersion): Readonly<Record<string, Structure>> {
  const wide = version.machine !== 'x86'
  if (isAtLeast(version, 6, 2)) return vadSince81(version.build >= 18362 ? 4 : 0)
  const tree = isAtLeast(version, 6, 1) ? VAD_7 : VAD_2003
  if (!isAtLeast(version, 5, 2)) return VAD_XP
  if (wide) return tree
  // the bits of 32-bit flags stand where those of 64-bit ones do less 32
  const short = tree['_MMVAD_SHORT'] as Structure
  return {
    ...tree,
    _MMVAD_SHORT: {
      ...short,
      Protection: [0x14, undefined, [4, 24, 5]],
      PrivateMemory: [0x14, undefined, [4, 31, 1]],
      VadType: [0x14, undefined, [4, 20, 3]],
    },
  }
}

function addAll(facts: FactTypes, structures: Readonly<Record<string, Structure>>, wide: boolean): void {
  for (const [type, entries] of Object.entries(structures)) {
    let end = 0
    for (const [name, [narrow, broad, kind]] of Object.entries(entries)) {
      const offset = wide ? broad : narrow
      if (offset === undefined) continue
      const each = member(offset, kind, wide)
      facts.add(type, name, each, 'structure')
      end = Math.max(end, offset + each.bytes)
    }
    facts.size(type, end)
  }
}

/** A member of one kind at an offset. */
export function member(offset: number, kind: Kind, wide: boolean): Member {
  const pointerBytes = wide ? 8 : 4
  if (kind === 'pointer') return { offset, bytes: pointerBytes }
  if (kind === 'list') return { offset, bytes: 2 * pointerBytes }
  if (kind === 'string') return { offset, bytes: 2 * pointerBytes, typeName: '_UNICODE_STRING' }
  if (typeof kind === 'number') return { offset, bytes: kind }
  const [, first, count] = kind
  const byte = Math.floor(first / 8)
  return {
    offset: offset + byte,
    bytes: Math.ceil(((first % 8) + count) / 8),
    bits: { first: first % 8, count },
  }
}

/** What the root of the VADs is: a node's address, or an AVL table whose first node's right child is the topmost one. */
function vadRootIsTable(version: WindowsVersion): boolean {
  return isAtLeast(version, 5, 2) && !isAtLeast(version, 6, 3)
}
