/** The kernel of a triage dump: its header says where the kernel's lists are, and pieces of virtual memory hold some of what is there. */
import { FoldedMemory, type MemoryPiece } from '../../../core/folded-memory.js'
import type { PhysicalMemory } from '../../../core/memory.js'
import type { WindowsDumpFacts } from '../../../formats/crashdump-facts.js'
import type { SymbolFile } from '../../../symbols/load.js'
import { SymbolPacker } from '../../../symbols/symbol-packer.js'
import type { KernelPlace, KernelPlaces, WindowsKernel } from '../kernel.js'
import { type PeImage, readPe } from '../pe/image.js'
import { describeKernel } from './open.js'

const KERNEL_FILE = /(^|\\)nt(oskrnl|krnl\w*)\.exe$/i
/** KTHREAD.Process of 6.1 and later 64-bit kernels, and of 32-bit ones (PDBs); what stands there is checked. */
const PROCESS_IN_THREAD = { 64: [0x220, 0x210], 32: [0x150, 0x180] } as const
const SYSTEM_ID = 4n

/** The kernel; undefined where the dump does not say where it lies. `memory` is the dump's, at folded addresses. */
export function openTriage(
  memory: PhysicalMemory,
  facts: WindowsDumpFacts,
  file: SymbolFile | undefined,
): WindowsKernel | undefined {
  const { bits, triage } = facts
  const pointerBytes = bits === 64 ? 8 : 4
  const process = processOf(facts)
  const pieces: MemoryPiece[] = process === undefined ? [] : [process]
  const virtual = new FoldedMemory(memory, pointerBytes, pieces)
  const driver = triage?.drivers.find(({ name }) => KERNEL_FILE.test(name))
  const pe = driver === undefined ? undefined : readPe(virtual, driver.base)
  const image: PeImage | undefined =
    pe ??
    (driver && {
      base: driver.base,
      machine: facts.machine,
      bits,
      timestamp: driver.timestamp,
      sizeBytes: driver.size,
      checksum: driver.checksum,
      entryRva: 0,
      sections: [],
      exports: undefined,
      debug: undefined,
    })
  if (image === undefined) return undefined
  const exports = { imageName: driver?.name ?? '', symbols: new SymbolPacker().finish('exports'), leftOut: 0 }
  const told = { build: facts.build, places: placesOf(facts, process) }
  const { kernel, places } = describeKernel(virtual, { pe: image, exports }, file, told)
  return {
    ...kernel,
    places: places.known(),
    dumpModules: triage?.drivers ?? [],
    foundBy: [{ way: 'dump', agrees: true, detail: 'header of a triage dump' }],
  }
}

function placesOf(facts: WindowsDumpFacts, process: MemoryPiece | undefined): KernelPlaces {
  const place = (address: bigint | undefined): KernelPlace | undefined =>
    address === undefined ? undefined : { address, from: 'dump' }
  const kdbg = place(facts.debuggerDataBlock)
  const processHead = place(facts.activeProcessHead)
  const moduleHead = place(facts.loadedModuleList)
  const currentProcess = place(process?.va)
  return {
    ...(kdbg && { kdbg }),
    ...(processHead && { processHead }),
    ...(moduleHead && { moduleHead }),
    ...(currentProcess && { currentProcess }),
    ...(currentProcess && isSystem(process, facts) && { systemProcess: currentProcess }),
  }
}

/**
 * The dump holds the structure of the process that ran, and does not say where it was: its own empty lists lead to it, or else the
 * structure of its thread.
 */
function processOf({ bits, triage }: WindowsDumpFacts): MemoryPiece | undefined {
  if (triage?.process === undefined) return undefined
  const width = bits / 8
  const isKernel = (va: bigint) => (bits === 64 ? va >> 47n === 0x1ffffn : va >= 0x8000_0000n)
  const word = (bytes: Buffer, at: number): bigint => {
    if (at + width > bytes.length) return 0n
    return width === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at))
  }
  const own = Buffer.from(triage.process)
  // DISPATCHER_HEADER.WaitListHead, KPROCESS.ProfileListHead
  for (const at of [8, 8 + 2 * width]) {
    const first = word(own, at)
    if (isKernel(first) && first === word(own, at + width)) return { va: first - BigInt(at), bytes: own }
  }
  const thread = Buffer.from(triage.thread ?? [])
  for (const at of PROCESS_IN_THREAD[bits]) {
    const va = word(thread, at)
    if (isKernel(va)) return { va, bytes: triage.process }
  }
  return undefined
}

/** Whether a word of the structure is the id of System, followed by links into the kernel. */
function isSystem(process: MemoryPiece | undefined, { bits }: WindowsDumpFacts): boolean {
  if (process === undefined) return false
  const bytes = Buffer.from(process.bytes)
  const width = bits / 8
  const word = (at: number) => (width === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at)))
  for (let at = 0x80; at + 3 * width <= Math.min(bytes.length, 0x600); at += width)
    if (word(at) === SYSTEM_ID && word(at + width) >> BigInt(bits - 1) === 1n) return true
  return false
}
