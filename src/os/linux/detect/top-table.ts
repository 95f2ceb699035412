/**
 * The kernel's top table by its structure, for kernels whose symbols don't name it: it lies in the kernel's own image, and maps that
 * image. The distance between gva and gpa need not be known: each frame that looks like a table gives one, and the image's own
 * landmarks, of which the gpa is known, prove it.
 */
import { alignUp } from '../../../core/address.js'
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'
import { levelShifts, type PagingMode } from '../../../paging/mode.js'
import { isMemory, rebased } from '../../search/physical.js'
import { sweep } from '../../search/sweep.js'
import { type Candidate, gpaOf, kernelSpace } from './candidate.js'

/** Tables that map the kernel: its own, boot-time ones, one or two a process where all of memory is searched. */
const MAX_PROVED = 512
/** Frames that have an entry at the right place, but map something else. */
const MAX_WALKED = 200_000

/** Top tables start at a page; with larger pages a smaller table may stand anywhere in one. */
const STEP_BYTES = 4096

/** What is known of an image. */
export interface Landmarks {
  /** An address in the kernel's text. */
  readonly text: bigint
  /** gpas of things inside the image, as the memory is given (without a base). */
  readonly inside: readonly number[]
}

/**
 * The table in `ranges` that maps the image and has the most entries of the kernel's, and where it maps it to. `base` is added to the
 * memory's gpas.
 */
export function findTopTable(
  memory: PhysicalMemory,
  ranges: readonly MemoryRun[],
  modes: readonly PagingMode[],
  landmarks: Landmarks,
  base: number,
): Candidate | undefined {
  for (const mode of modes) {
    const best = bestTable(memory, ranges, mode, landmarks, base)
    if (best !== undefined) return best
  }
  return undefined
}

function bestTable(
  memory: PhysicalMemory,
  ranges: readonly MemoryRun[],
  mode: PagingMode,
  landmarks: Landmarks,
  base: number,
): Candidate | undefined {
  const based = rebased(memory, base)
  const probe = new TopEntry(mode, landmarks.text)
  let best: { candidate: Candidate; entries: number } | undefined
  let proved = 0
  let walked = 0
  sweep(
    memory,
    (bytes, windowGpa) => {
      for (const { at, entries } of probe.tables(bytes, windowGpa, next => isMemory(based, next, 4096))) {
        if (walked++ >= MAX_WALKED) return true
        const candidate = prove(memory, mode, windowGpa + at + base, landmarks, base)
        if (candidate === undefined) continue
        if (best === undefined || entries > best.entries) best = { candidate, entries }
        if (++proved >= MAX_PROVED) return true
      }
      return false
    },
    { ranges },
  )
  return best?.candidate
}

/** The candidate that this table makes: where it maps the text to tells the distance, the landmarks must agree. */
function prove(
  memory: PhysicalMemory,
  mode: PagingMode,
  dtb: number,
  landmarks: Landmarks,
  base: number,
): Candidate | undefined {
  const space = kernelSpace(memory, { mode, dtb, base })
  const textGpa = gpaOf(space, landmarks.text)
  if (textGpa === undefined) return undefined
  const shift = landmarks.text - BigInt(textGpa)
  const agree = landmarks.inside.every(gpa => gpaOf(space, BigInt(gpa + base) + shift) === gpa + base)
  return agree ? { mode, dtb, shift, base } : undefined
}

/** A cheap look at a frame: has it an entry where the text's would be, and does that lead into memory? */
class TopEntry {
  readonly #mode: PagingMode
  readonly #tableBytes: number
  /** Offset of the text's entry. */
  readonly #at: number

  constructor(mode: PagingMode, text: bigint) {
    this.#mode = mode
    const bits = mode.indexBits[0] ?? 0
    const shift = BigInt(levelShifts(mode)[0] ?? 0)
    this.#tableBytes = 2 ** bits * mode.entryBytes
    this.#at = Number((text >> shift) & ((1n << BigInt(bits)) - 1n)) * mode.entryBytes
  }

  /** Frames of `bytes` that pass, and how many entries of the kernel's they have; found at once, since proving reads memory. */
  tables(bytes: Buffer, gpa: number, leads: (gpa: number) => boolean): { at: number; entries: number }[] {
    const found: { at: number; entries: number }[] = []
    const page = 2 ** this.#mode.pageShift
    for (let at = alignUp(gpa, STEP_BYTES) - gpa; at + this.#tableBytes <= bytes.length; at += STEP_BYTES) {
      const low = bytes.readUInt32LE(at + this.#at)
      if ((low & 1) === 0) continue
      const high = this.#mode.entryBytes === 8 ? bytes.readUInt32LE(at + this.#at + 4) : 0
      const table = (high & 0xf_ffff) * 2 ** 32 + ((low & 0xffff_f000) >>> 0)
      // arm's 48-bit addresses leave attributes above; a 16 or 64 KiB granule leaves low bits that are none of the address
      const next = this.#mode.format === 'aarch64' ? table % 2 ** 48 : table
      if (leads(next - (next % page))) found.push({ at, entries: this.#entries(bytes, at) })
    }
    return found
  }

  /** Entries of the kernel's half less those of the user's: the kernel's own table has none of these. */
  #entries(bytes: Buffer, at: number): number {
    const { entryBytes, format, canonical } = this.#mode
    const count = this.#tableBytes / entryBytes
    // where the kernel's half starts: TTBR1 has nothing else, 32 bits split at a quarter
    const text = this.#at / entryBytes
    const kernelFrom =
      format === 'aarch64' ? 0 : canonical === 'unsigned' ? text - (text % (count / 4)) : count / 2
    let entries = 0
    for (let i = 0; i < count; i++) {
      if (((bytes[at + i * entryBytes] as number) & 1) === 0) continue
      entries += i >= kernelFrom ? 1 : -1
    }
    return entries
  }
}
