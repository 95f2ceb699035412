/** The kernel's PE image in memory: code of its accessors, its variables, exports, and the record of its PDB. */
import { type AccessorKind, accessor32, accessor64, currentProcess, type Shape } from './accessors.js'
import type { Builder } from './builder.js'
import { CODE, DATA, debugDirectory, exportTable, peHeaders, READ_ONLY } from './pe.js'

export interface KernelImageOptions {
  readonly base: bigint
  readonly machine: number
  readonly pdb?: { readonly name: string; readonly guid: string; readonly age: number }
  readonly timestamp: number
  readonly labText: string
  /** Shape of 32-bit accessors. */
  readonly shape: Shape
  /** The image is mapped by large pages, as kernels do with enough memory. */
  readonly largePages?: boolean
  /** PsLoadedModuleList is exported (6.0 and later). */
  readonly exportsModuleList: boolean
}

export interface KernelImage {
  readonly base: bigint
  readonly bytes: number
  readonly symbols: ReadonlyMap<string, bigint>
  readonly exports: ReadonlySet<string>
  readonly exportTable: bigint
  readonly hasPdb: boolean
}

/** Accessors: the member each reads, under the names that builds have. */
const ACCESSORS: readonly (readonly [name: string, kind: AccessorKind, ...paths: string[]])[] = [
  ['PsGetProcessId', 'load', '_EPROCESS.UniqueProcessId'],
  ['PsGetProcessImageFileName', 'address', '_EPROCESS.ImageFileName'],
  ['PsGetProcessPeb', 'load', '_EPROCESS.Peb'],
  ['PsGetProcessInheritedFromUniqueProcessId', 'load', '_EPROCESS.InheritedFromUniqueProcessId'],
  ['PsGetProcessSectionBaseAddress', 'load', '_EPROCESS.SectionBaseAddress'],
  ['PsGetProcessCreateTimeQuadPart', 'load64', '_EPROCESS.CreateTime'],
  ['PsGetProcessExitStatus', 'load32', '_EPROCESS.ExitStatus'],
  ['PsGetThreadId', 'load', '_ETHREAD.Cid.UniqueThread'],
  ['PsGetThreadProcessId', 'load', '_ETHREAD.Cid.UniqueProcess'],
  ['PsGetThreadTeb', 'load', '_ETHREAD.Tcb.Teb'],
  ['PsGetProcessWow64Process', 'load', '_EPROCESS.Wow64Process'],
  ['PsGetProcessWow64Process', 'load twice', '_EPROCESS.WoW64Process'],
]

/** Variables and their bytes, for images whose symbol table isn't known. */
const VARIABLES: readonly (readonly [name: string, bytes: number])[] = [
  ['KdDebuggerDataBlock', 0x400],
  ['KdVersionBlock', 0x40],
  ['KdpDataBlockEncoded', 8],
  ['KiWaitNever', 8],
  ['KiWaitAlways', 8],
  ['KiProcessorBlock', 0x200],
  ['KeNumberProcessors', 8],
  ['MmPfnDatabase', 8],
  ['NtBuildLab', 0x80],
  ['NtBuildNumber', 8],
  ['ObHeaderCookie', 8],
  ['ObTypeIndexTable', 0x400],
  ['PsActiveProcessHead', 0x10],
  ['PsInitialSystemProcess', 8],
  ['PsLoadedModuleList', 0x10],
  ['PspCidTable', 8],
  ['PsProcessType', 8],
  ['PsThreadType', 8],
  ['HandleTableListHead', 0x10],
  ['MiSystemPartition', 0x5000],
]
/** These stand among constants, far from the variables. */
const CONSTANTS = new Set(['NtBuildNumber', 'NtBuildLab', 'NtBuildLabEx'])

/** Functions that every kernel exports, whose code is nothing. */
const OTHERS =
  'ExAllocatePoolWithTag ExFreePool IoCreateDevice IoDeleteDevice KeBugCheckEx KeDelayExecutionThread KeInitializeEvent KeSetEvent MmGetSystemRoutineAddress MmMapIoSpace NtClose NtCreateFile ObfDereferenceObject PsCreateSystemThread PsLookupProcessByProcessId PsTerminateSystemThread RtlInitUnicodeString RtlCompareMemory SeAccessCheck ZwClose ZwQuerySystemInformation _stricmp memcpy strlen'.split(
    ' ',
  )

const PAGE = 4096

export function writeKernelImage(builder: Builder, options: KernelImageOptions): KernelImage {
  const { kernel, pointerBytes } = builder
  const wide = pointerBytes === 8
  const functions = codeOf(builder, options.shape)
  const rvas = placesOf(builder, [...functions.keys()])
  const data = VARIABLES.flatMap(([name, bytes]) => {
    const rva = rvas.get(name)
    return rva === undefined || CONSTANTS.has(name) ? [] : [[rva, bytes] as const]
  })
  const dataStart = pageDown(Math.min(...data.map(([rva]) => rva)))
  const dataEnd = pageUp(Math.max(...data.map(([rva, bytes]) => rva + bytes)))
  const last = pageUp(
    Math.max(dataEnd, ...[...functions].map(([name, code]) => (rvas.get(name) as number) + code.length)),
  )
  const exported = new Map<string, number>()
  for (const name of [
    ...functions.keys(),
    ...OTHERS,
    'PsInitialSystemProcess',
    'PsProcessType',
    'PsThreadType',
    'NtBuildNumber',
    ...(builder.build >= 6000 ? ['NtBuildLab'] : []),
    'KeNumberProcessors',
    ...(options.exportsModuleList ? ['PsLoadedModuleList'] : []),
  ]) {
    const rva = rvas.get(name)
    if (rva !== undefined) exported.set(name, rva)
  }
  const edata = exportTable(last, 'ntoskrnl.exe', exported, options.timestamp)
  const rdataAt = pageUp(last + edata.length)
  const { pdb } = options
  const rdata = pdb === undefined ? Buffer.alloc(16) : debugDirectory(rdataAt, pdb, options.timestamp)
  const bytes = pageUp(rdataAt + rdata.length)
  const sections = [
    { name: '.text', rva: 0x1000, bytes: dataStart - 0x1000, flags: CODE },
    { name: '.data', rva: dataStart, bytes: dataEnd - dataStart, flags: DATA },
    ...(last > dataEnd ? [{ name: 'PAGE', rva: dataEnd, bytes: last - dataEnd, flags: CODE }] : []),
    { name: '.edata', rva: last, bytes: edata.length, flags: READ_ONLY },
    { name: '.rdata', rva: rdataAt, bytes: rdata.length, flags: READ_ONLY },
  ]
  const headers = peHeaders({
    bits: wide ? 64 : 32,
    machine: options.machine,
    imageBytes: bytes,
    timestamp: options.timestamp,
    checksum: 0x0a_5a5a,
    base: options.base,
    sections,
    exports: { rva: last, bytes: edata.length },
    ...(pdb && { debug: { rva: rdataAt, bytes: 28 } }),
  })
  if (options.largePages === true) mapLarge(builder, options.base, bytes)
  const put = (rva: number, part: Uint8Array, executable = false): void => {
    const at = options.base + BigInt(rva)
    kernel.map(at, part.length, { executable })
    kernel.write(at, part)
  }
  put(0, headers)
  kernel.map(options.base + BigInt(dataStart), dataEnd - dataStart)
  for (const [name, code] of functions) put(rvas.get(name) as number, code, true)
  put(last, edata)
  put(rdataAt, rdata)
  for (const name of CONSTANTS) {
    const rva = rvas.get(name)
    if (rva !== undefined) kernel.map(options.base + BigInt(rva), 0x80, { executable: true })
  }
  const symbols = new Map([...rvas].map(([name, rva]) => [name, options.base + BigInt(rva)]))
  const symbol = (name: string): bigint => symbols.get(name) as bigint
  kernel.integer(symbol('NtBuildNumber'), 0xf000_0000 + builder.build, 4)
  for (const name of ['NtBuildLab', 'NtBuildLabEx'])
    if (symbols.has(name)) kernel.write(symbol(name), Buffer.from(`${options.labText}\0`, 'latin1'))
  kernel.integer(symbol('KeNumberProcessors'), 1, 4)
  return {
    base: options.base,
    bytes,
    symbols,
    exports: new Set(exported.keys()),
    exportTable: options.base + BigInt(last),
    hasPdb: pdb !== undefined,
  }
}

function codeOf({ facts, pointerBytes }: Builder, shape: Shape): Map<string, Buffer> {
  const wide = pointerBytes === 8
  const code = new Map<string, Buffer>()
  for (const [name, kind, ...paths] of ACCESSORS) {
    const path = paths.find(each => facts.has(each))
    if (path === undefined) continue
    const offset = facts.offset(path)
    code.set(name, wide ? accessor64(kind, offset) : accessor32(kind, offset, shape))
  }
  const process = facts.offset('_ETHREAD.Tcb.ApcState.Process')
  code.set('PsGetCurrentProcess', currentProcess(wide ? 64 : 32, process, undefined))
  code.set(
    'PsGetProcessExitTime',
    currentProcess(wide ? 64 : 32, process, facts.offset('_EPROCESS.ExitTime')),
  )
  for (const name of OTHERS) code.set(name, Buffer.from([0x33, 0xc0, 0xc3]))
  return code
}

/** Where everything lies in the image: as the build's symbol table has it, or one behind the other. */
function placesOf({ facts }: Builder, functions: readonly string[]): Map<string, number> {
  const rvas = new Map<string, number>()
  const known = facts.symbol('PsActiveProcessHead') !== undefined
  let code = 0x1000
  let data = 0x20000
  const top = known ? Math.max(...VARIABLES.map(([name, bytes]) => (facts.symbol(name) ?? 0) + bytes)) : 0
  let rest = pageUp(top)
  for (const name of functions) {
    const rva = facts.symbol(name)
    if (rva !== undefined) rvas.set(name, rva)
    else {
      // functions that the table has no place for go behind all that it has
      rvas.set(name, known ? rest : code)
      if (known) rest += 0x40
      else code += 0x230
    }
  }
  for (const [name, bytes] of VARIABLES) {
    const rva = facts.symbol(name)
    if (rva !== undefined) rvas.set(name, rva)
    else if (CONSTANTS.has(name) && !known) {
      rvas.set(name, code)
      code += bytes
    } else if (!known) {
      rvas.set(name, data)
      data += Math.ceil((bytes + 0x20) / 0x40) * 0x40
    }
  }
  const lab = facts.symbol('NtBuildLabEx')
  if (lab !== undefined) rvas.set('NtBuildLabEx', lab)
  return rvas
}

function mapLarge(builder: Builder, base: bigint, bytes: number): void {
  const level = builder.tables.levels - 2
  const size = 2 ** builder.tables.shift(level)
  if (base % BigInt(size) !== 0n) throw new Error('the image does not start at a large page')
  for (let at = 0; at < bytes; at += size)
    builder.tables.map(base + BigInt(at), builder.memory.largePage(size), { executable: true }, level)
}

function pageUp(value: number): number {
  return Math.ceil(value / PAGE) * PAGE
}

function pageDown(value: number): number {
  return Math.floor(value / PAGE) * PAGE
}
