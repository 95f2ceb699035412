/**
 * Layouts that have not changed in a version or in any: documented structures (PEB, loader entries, strings; winternl.h, phnt), and the
 * object manager's and memory manager's (Windows Internals, part 1 and 2; ReactOS ndk for 5.2). Volatility 3's and memflow's tables agree
 * with each that they have.
 */
import type { FactTypes } from './facts.js'
import { addStructures, member, type Structure } from './structure.js'
import { vadLayout } from './vad-layouts.js'
import { isAtLeast, type WindowsVersion } from './version.js'

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
const HEADER_BEFORE_7: Structure = {
  PointerCount: [0, 0, 'pointer'],
  HandleCount: [4, 8, 'pointer'],
  Type: [8, 0x10, 'pointer'],
  NameInfoOffset: [0xc, 0x18, 1],
  Body: [0x18, 0x30, 'pointer'],
}

const HEADER_SINCE_7: Structure = {
  PointerCount: [0, 0, 'pointer'],
  HandleCount: [4, 8, 'pointer'],
  TypeIndex: [0xc, 0x18, 1],
  InfoMask: [0xe, 0x1a, 1],
  Body: [0x18, 0x30, 'pointer'],
}

/** Before 6.0 with a service pack a type starts with a lock. */
const TYPE_WITH_LOCK: Structure = { Name: [0x40, 0x78, 'string'], Index: [0x4c, 0x90, 4] }
const TYPE: Structure = { Name: [8, 0x10, 'string'], Index: [0x14, 0x28, 1] }
/** 6.0 with a service pack. */
const VISTA_SP1 = 6001

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

/** `_EPROCESS.UniqueProcessId` of 5.2 without a service pack (and of 5.1). */
const EARLY_52_ID = 0x84

/** Adds what this version's structures look like; of the process structure what is known must be in `facts` already. */
export function addConstants(facts: FactTypes, version: WindowsVersion): void {
  const wide = version.machine !== 'x86'
  const add = (structures: Readonly<Record<string, Structure>>) => addStructures(facts, structures, wide)
  add(ALWAYS)
  add({
    _OBJECT_HEADER: isAtLeast(version, 6, 1) ? HEADER_SINCE_7 : HEADER_BEFORE_7,
    _OBJECT_TYPE: version.build < VISTA_SP1 ? TYPE_WITH_LOCK : TYPE,
    _HANDLE_TABLE: isAtLeast(version, 6, 2) ? HANDLES_SINCE_8 : HANDLES_BEFORE_8,
    _CONTROL_AREA: {
      FilePointer: [
        isAtLeast(version, 6, 3) ? 0x20 : 0x24,
        version.build < VISTA_SP1 ? 0x30 : 0x40,
        'pointer',
      ],
    },
    // 5.2 has the structure's own address before it
    _MM_SESSION_SPACE: {
      SessionId: isAtLeast(version, 5, 2) && !isAtLeast(version, 6, 0) ? [0xc, 0x10, 4] : [8, 8, 4],
    },
  })
  facts.size('_HANDLE_TABLE_ENTRY', wide ? 16 : 8)
  const first = !wide && facts.member('_EPROCESS', 'UniqueProcessId')?.offset === EARLY_52_ID
  add(vadLayout(version, first))
  facts.add('_EPROCESS', 'Pcb.DirectoryTableBase', member(wide ? 0x28 : 0x18, 'pointer', wide), 'structure')
  const root = facts.member('_EPROCESS', 'VadRoot')
  if (root !== undefined && vadRootIsTable(version))
    facts.add(
      '_EPROCESS',
      'VadRoot.BalancedRoot.RightChild',
      member(root.offset + 2 * (wide ? 8 : 4), 'pointer', wide),
      'structure',
    )
}

/** What the root of the VADs is: a node's address, or an AVL table whose first node's right child is the topmost one. */
function vadRootIsTable(version: WindowsVersion): boolean {
  return isAtLeast(version, 5, 2) && !isAtLeast(version, 6, 3)
}
