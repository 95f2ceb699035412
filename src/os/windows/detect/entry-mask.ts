/**
 * Which bit a 64-bit kernel sets in every page table entry that is not valid, so that no processor guesses with what stands there (L1TF):
 * MiState.Hardware.InvalidPteMask, by the symbol file, or else by the entries.
 */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { PagingMode } from '../../../paging/mode.js'
import type { SymbolFile } from '../../../symbols/load.js'
import { readPhysical } from '../../search/physical.js'
import { type PeImage, presentBytes } from '../pe/image.js'

const PAGE_BYTES = 4096
const FIRST_BIT = 36
const LAST_BIT = 51
/** Tables that are read, of each entry of the top one, and in all. */
const MAX_TABLES_A_BRANCH = 24
const MAX_TABLES = 512
/** Entries that tell enough, and the least that tell anything. */
const ENOUGH = 512
const LEAST = 16
/** Some entries may not have it: those of lists of free entries, or of a guest that runs. */
const SHARE = 0.9
const PROTOTYPE = 0x400

/** What the file's symbols lead to: the bit, or that there is none; undefined where the file does not tell. */
export function maskBitTold(
  { symbols, types }: SymbolFile,
  space: VirtualMemory,
  pe: PeImage,
): { readonly bit: number | undefined } | undefined {
  const state = symbols?.addressOf('MiState')
  const hardware = types?.member('_MI_SYSTEM_INFORMATION', 'Hardware')?.offset
  const mask = types?.member('_MI_HARDWARE_STATE', 'InvalidPteMask')?.offset
  if (state === undefined || hardware === undefined || mask === undefined) return undefined
  const bytes = presentBytes(space, pe.base + state + BigInt(hardware + mask), 8)
  if (bytes === undefined) return undefined
  const value = bytes.readBigUInt64LE()
  if (value === 0n) return { bit: undefined }
  const bit = value.toString(2).length - 1
  return value === 1n << BigInt(bit) ? { bit } : undefined
}

/** The one bit that all entries of the kernel's half that are not valid have; undefined where none is, or there are too few. */
export function maskBitOf(
  memory: PhysicalMemory,
  { mode, dtb }: { readonly mode: PagingMode; readonly dtb: number },
): number | undefined {
  const sample = new Sample(memory)
  const top = readPhysical(memory, dtb, PAGE_BYTES)
  for (let at = PAGE_BYTES / 2; top !== undefined && at < PAGE_BYTES && !sample.done; at += 8)
    sample.branch(top, at, dtb, mode.indexBits.length - 1)
  return sample.bit
}

class Sample {
  readonly #memory: PhysicalMemory
  readonly #counts = new Float64Array(LAST_BIT + 1)
  #entries = 0
  #tables = 0
  #left = 0

  constructor(memory: PhysicalMemory) {
    this.#memory = memory
  }

  get done(): boolean {
    return this.#entries >= ENOUGH || this.#tables >= MAX_TABLES
  }

  get bit(): number | undefined {
    if (this.#entries < LEAST) return undefined
    const bits: number[] = []
    for (let bit = FIRST_BIT; bit <= LAST_BIT; bit++)
      if ((this.#counts[bit] as number) >= SHARE * this.#entries) bits.push(bit)
    return bits.length === 1 ? bits[0] : undefined
  }

  /** What hangs below an entry of the top table, which may lead back to it. */
  branch(top: Buffer, at: number, dtb: number, levels: number): void {
    this.#left = MAX_TABLES_A_BRANCH
    const table = tableIn(top, at)
    if (table !== undefined && table !== dtb) this.#visit(table, levels)
  }

  #visit(gpa: number, levels: number): void {
    if (this.#left-- <= 0 || this.done) return
    const table = readPhysical(this.#memory, gpa, PAGE_BYTES)
    if (table === undefined) return
    this.#tables++
    for (let at = 0; at < PAGE_BYTES; at += 8)
      if (levels > 1) {
        const below = tableIn(table, at)
        if (below !== undefined) this.#visit(below, levels - 1)
      } else this.#count(table.readUInt32LE(at), table.readUInt32LE(at + 4))
  }

  #count(low: number, high: number): void {
    // addresses of prototype entries have many bits
    if ((low & 1) !== 0 || (low | high) === 0 || (low & PROTOTYPE) !== 0) return
    this.#entries++
    for (let bit = FIRST_BIT; bit <= LAST_BIT; bit++)
      if (((high >>> (bit - 32)) & 1) !== 0) this.#counts[bit] = (this.#counts[bit] as number) + 1
  }
}

/** The table that an entry leads to; undefined for a large page, or none. */
function tableIn(table: Buffer, at: number): number | undefined {
  const low = table.readUInt32LE(at)
  if ((low & 0x81) !== 1) return undefined
  return (table.readUInt32LE(at + 4) & 0xf_ffff) * 2 ** 32 + ((low & -PAGE_BYTES) >>> 0)
}
