/** What the other ways say of a kernel that one of them found. */
import { hex } from '../../../core/address.js'
import type { PhysicalMemory } from '../../../core/memory.js'
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import { readPhysical } from '../../search/physical.js'
import type { FoundBy, KernelPlace } from '../kernel.js'
import { presentBytes } from '../pe/image.js'
import { type Candidate, candidateSpace } from './candidate.js'
import { BLOCK, blockAddress, type DebuggerBlock } from './debugger-block.js'
import type { WindowsRecord } from './record.js'
import { selfMapRange } from './self-map.js'
import { lowStubAt } from './shapes.js'

const PAGE_BYTES = 4096
const LOW_BYTES = 1 << 20
/** The first processor's control region of 32-bit kernels before 6.0; later ones have it elsewhere. */
const KPCR_32 = 0xffdf_f000n
/** Of a processor's control region: its own address, its KPRCB's, the debugger's version block (PDBs, wdbgexts.h). */
const KPCR = {
  32: { self: 0x1c, prcb: 0x120, version: 0x34 },
  64: { self: 0x18, prcb: 0x180, version: 0x108 },
} as const
/** DBGKD_GET_VERSION64.KernBase. */
const KERNEL_BASE_AT = 0x10n

/** Each way that could be gone, and whether it agrees. */
export function crossCheckWays(
  memory: PhysicalMemory,
  found: Candidate,
  record: WindowsRecord,
  block: DebuggerBlock | undefined,
): FoundBy[] {
  const ways: (FoundBy | undefined)[] = [
    found.way === 'low-stub' ? undefined : lowStub(memory, record),
    found.way === 'self-map' ? undefined : selfMap(memory, record),
    kpcr(memory, record, block),
    block === undefined ? undefined : kdbg(record, block),
  ]
  return ways.filter(way => way !== undefined)
}

function lowStub(memory: PhysicalMemory, record: WindowsRecord): FoundBy | undefined {
  if (record.mode.vaBits === 32) return undefined
  for (let gpa = PAGE_BYTES; gpa < LOW_BYTES; gpa += PAGE_BYTES) {
    const page = readPhysical(memory, gpa, 0x100)
    const stub = page === undefined ? undefined : lowStubAt(page)
    if (stub === undefined) continue
    const inside = stub.inside ?? 0n
    const agrees = inside >= record.kernelBase && inside < record.kernelBase + BigInt(record.sizeBytes)
    return { way: 'low-stub', agrees, detail: `at ${hex(gpa)}, page table ${hex(stub.dtb)}` }
  }
  return undefined
}

function selfMap(memory: PhysicalMemory, record: WindowsRecord): FoundBy | undefined {
  if (record.mode.name === 'pae' || record.mode.format === 'aarch64') return undefined
  const range = selfMapRange(memory, record)
  if (range === undefined)
    return { way: 'self-map', agrees: false, detail: `${hex(record.dtb)} does not map itself` }
  return { way: 'self-map', agrees: true, detail: `page tables at ${hex(range.start)}` }
}

/** The first processor's control region, where a kernel always has it, or where its debugger's block leads. */
function kpcr(
  memory: PhysicalMemory,
  record: WindowsRecord,
  block: DebuggerBlock | undefined,
): FoundBy | undefined {
  if (record.mode.format === 'aarch64') return undefined
  const space = candidateSpace(memory, record)
  const narrow = record.mode.vaBits === 32
  const at = KPCR[narrow ? 32 : 64]
  const told = block === undefined ? undefined : firstProcessor(space, block, narrow)
  const places = [...(narrow ? [KPCR_32] : []), ...(told === undefined ? [] : [told - BigInt(at.prcb)])]
  for (const address of places) {
    const region = presentBytes(space, address, 0x180)
    const word = (offset: number) =>
      narrow ? BigInt(region?.readUInt32LE(offset) ?? 0) : (region?.readBigUInt64LE(offset) ?? 0n)
    if (region === undefined || word(at.self) !== address) continue
    const version = word(at.version)
    const base = version === 0n ? undefined : presentBytes(space, version + KERNEL_BASE_AT, 8)
    // most 64-bit kernels leave the version block out
    if (base === undefined) return { way: 'kpcr', agrees: true, detail: `at ${hex(address)}` }
    const told = narrow ? BigInt(base.readUInt32LE(0)) : base.readBigUInt64LE(0)
    const detail = `at ${hex(address)}, KdVersionBlock ${hex(version)}`
    return { way: 'kpcr', agrees: told === record.kernelBase, detail }
  }
  return undefined
}

/** KiProcessorBlock: addresses of the processors' KPRCBs. */
function firstProcessor(space: VirtualMemory, block: DebuggerBlock, narrow: boolean): bigint | undefined {
  if (block.bytes.length < BLOCK.processors + 8) return undefined
  const list = presentBytes(space, blockAddress(block, BLOCK.processors, !narrow), 8)
  const first = narrow ? list?.readUInt32LE(0) : list?.readBigUInt64LE(0)
  return first === undefined || BigInt(first) < 0x8000_0000n ? undefined : BigInt(first)
}

/** The block is this kernel's by its base; the lists must be where other things led. */
function kdbg({ mode, places: { processHead, moduleHead } }: WindowsRecord, block: DebuggerBlock): FoundBy {
  const same = (place: KernelPlace | undefined, at: number) =>
    place === undefined || place.address === blockAddress(block, at, mode.vaBits !== 32)
  return {
    way: 'kdbg',
    agrees: same(processHead, BLOCK.processHead) && same(moduleHead, BLOCK.moduleHead),
    detail: `at ${hex(block.address)}${block.encoded ? ', encoded' : ''}`,
  }
}
