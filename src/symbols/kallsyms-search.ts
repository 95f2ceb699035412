/**
 * Finding kallsyms in physical memory with no help. token_table always holds the characters that names use as tokens of their own, in
 * the order of their codes: `a` NUL `b` NUL ... `z` NUL is looked for; token_index must then name where each of the 256 tokens starts.
 * From there the other tables are found by their shape, and all names and addresses are read before anything is believed.
 * The image is physically contiguous, so all of this works on gpa.
 */
import type { PhysicalMemory } from '../core/memory.js'
import { alignDown, alignUp, type ReadAt, viewOf } from './byte-reader.js'
import { type Kallsyms, parseKallsyms } from './kallsyms.js'
import { type KallsymsLayout, type KallsymsTables, TOKEN_INDEX_BYTES } from './kallsyms-layout.js'
import { locateNames, type SearchBudget, searchBudget } from './kallsyms-locate.js'
import { parseTokens } from './kallsyms-tokens.js'

/** Tables that were found, with what they say. */
export interface FoundKallsyms extends Kallsyms {
  /** gpas. */
  readonly tables: KallsymsTables<number>
  readonly layout: KallsymsLayout
}

/** What a search for kallsyms looks for: the tokens `a` to `z`. */
export const KALLSYMS_NEEDLE: Uint8Array = Buffer.from([...'abcdefghijklmnopqrstuvwxyz'].join('\0'), 'latin1')

const TOKEN_A = 0x61
/** The needle has 51 bytes, so a word at every 48th byte can't miss it. */
const STRIDE_BYTES = 48
const WINDOW_BYTES = 64 << 20
/** How far before token_table num_syms may stand; tried one after the other, since most kernels need the first only. */
const REACH_BYTES = [8 << 20, 56 << 20]
/** Copies of a kernel image lie in memory too: in the page cache, in a crash kernel's reserve. */
const MAX_FOUND = 16
/** An attacker may fill memory with needles. */
const MAX_TRIED = 1 << 18

/**
 * Offsets in `bytes` at which the needle stands, ascending. One word in 48 bytes is looked at: wherever the needle starts, one such word
 * lies within it, and holds two letters that follow each other.
 */
export function kallsymsHits(bytes: Uint8Array, limit = MAX_TRIED): number[] {
  const view = viewOf(bytes)
  const hits: number[] = []
  const last = bytes.length - 4
  for (let at = 0; at <= last; at += STRIDE_BYTES) {
    const word = view.getUint32(at, true)
    // Letters in the even bytes or in the odd ones.
    const letters = (word & 0xff00ff00) === 0 ? word : (word & 0x00ff00ff) === 0 ? word >>> 8 : 0
    const letter = letters & 0xff
    if (letter < TOKEN_A || letter > TOKEN_A + 24 || letters >>> 16 !== letter + 1) continue
    const start = at + (letters === word ? 0 : 1) - 2 * (letter - TOKEN_A)
    if (start < 0 || start === hits.at(-1) || !isNeedle(bytes, start)) continue
    hits.push(start)
    if (hits.length >= limit) break
  }
  return hits
}

function isNeedle(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < KALLSYMS_NEEDLE.length; i++) if (bytes[start + i] !== KALLSYMS_NEEDLE[i]) return false
  return true
}

/**
 * All tables in physical memory that hold together, ascending by gpa; usually one. Takes some seconds at worst, when memory is full of
 * tables that are almost right.
 */
export function findKallsyms(memory: PhysicalMemory): FoundKallsyms[] {
  const read = physicalReader(memory)
  const needles: number[] = []
  for (const gpa of scanForNeedle(memory)) if (needles.push(gpa) >= MAX_TRIED) break
  return kallsymsAmong(read, needles)
}

/** As `findKallsyms`, for needles that were found already: gpas, ascending. Bounded as a whole, which `kallsymsAt` for each is not. */
export function kallsymsAmong(read: ReadAt<number>, needles: readonly number[]): FoundKallsyms[] {
  const budget = searchBudget()
  for (const reach of REACH_BYTES) {
    const found: FoundKallsyms[] = []
    let floor = 0
    for (const gpa of needles) {
      // No other needle lies inside a kernel's tables: so no byte is looked at twice, however many there are.
      const room = Math.min(reach, gpa - floor)
      floor = gpa
      if (budget.left < 0 || found.length >= MAX_FOUND) break
      const one = around(read, gpa, room, budget)
      if (one !== undefined) found.push(one)
    }
    if (found.length > 0) return found
  }
  return []
}

/**
 * The tables around a needle at `gpa`; undefined when it is a false hit. `read` gives physical memory.
 */
export function kallsymsAt(read: ReadAt<number>, gpa: number): FoundKallsyms | undefined {
  const budget = searchBudget()
  for (const reach of REACH_BYTES) {
    const found = around(read, gpa, reach, budget)
    if (found !== undefined) return found
  }
  return undefined
}

function around(
  read: ReadAt<number>,
  gpa: number,
  reach: number,
  budget: SearchBudget,
): FoundKallsyms | undefined {
  const start = tokenTableStart(read, gpa)
  if (start === undefined) return undefined
  for (const alignBytes of [8, 4] as const) {
    const tokenIndex = tokenIndexAt(read, start, alignBytes)
    const before = tokenIndex === undefined ? undefined : readBefore(read, start, reach)
    if (tokenIndex === undefined || before === undefined) continue
    const base = start - before.length
    const place = locateNames(before, alignBytes, budget)
    if (place === undefined) continue
    const { count } = place
    budget.left -= count * 2
    const named = { tokenTable: start, tokenIndex, numSyms: base + place.numSyms, names: base + place.names }
    const parsed = withAddresses(read, named, count, alignBytes)
    if (parsed !== undefined) return parsed
  }
  return undefined
}

/** Where token_table starts, from where its `a` stands: 97 tokens before. */
function tokenTableStart(read: ReadAt<number>, gpa: number): number | undefined {
  const room = Math.min(gpa, 8192)
  const before = read(gpa - room, room)
  if (before === undefined) return undefined
  let at = room
  for (let token = 0; token <= TOKEN_A; token++) {
    // `at - 1` is the NUL of the token before; that of what stands before the table may be any zero byte.
    at = before.lastIndexOf(0, at - 1)
    if (at <= 0) return undefined
  }
  return gpa - room + at + 1
}

/** Where token_index stands, if it and the table before it fit together. */
function tokenIndexAt(read: ReadAt<number>, start: number, alignBytes: 4 | 8): number | undefined {
  if (start % alignBytes !== 0) return undefined
  const bytes = read(start, 8192) ?? read(start, 2048)
  if (bytes === undefined) return undefined
  let end = 0
  for (let token = 0; token < 256; token++) {
    end = bytes.indexOf(0, end) + 1
    if (end === 0) return undefined
  }
  const table = bytes.slice(0, end)
  const tokenIndex = start + alignUp(end, alignBytes)
  const index = read(tokenIndex, TOKEN_INDEX_BYTES)
  return index === undefined || parseTokens(table, index) === undefined ? undefined : tokenIndex
}

type Named = Omit<KallsymsTables<number>, 'offsets' | 'addresses' | 'relativeBase'>

/** Addresses stand before num_syms or behind token_index; each place and kind is tried, the parser decides. */
function withAddresses(
  read: ReadAt<number>,
  named: Named,
  count: number,
  alignBytes: 4 | 8,
): FoundKallsyms | undefined {
  const offsetBytes = alignUp(count * 4, alignBytes)
  const behind = named.tokenIndex + TOKEN_INDEX_BYTES
  const before = named.numSyms - alignBytes
  const places: [first: boolean, Pick<KallsymsTables<number>, 'offsets' | 'addresses' | 'relativeBase'>][] = [
    [true, { offsets: before - offsetBytes, relativeBase: before }],
    [false, { offsets: behind, relativeBase: behind + offsetBytes }],
    [true, { addresses: named.numSyms - count * alignBytes }],
    [false, { addresses: behind }],
    [false, { offsets: behind }],
  ]
  for (const [addressesFirst, place] of places) {
    if ((place.offsets ?? place.addresses ?? 0) < 0) continue
    const tables = { ...named, ...place }
    // Where the tables hold pointers, they are aligned to them.
    const parsed = parseKallsyms(read, tables, alignBytes)
    if (parsed === undefined) continue
    return { ...parsed, tables, layout: { alignBytes, addressing: parsed.addressing, addressesFirst } }
  }
  return undefined
}

/** Up to `reach` bytes before `gpa`, as many as are there; they die at the next read. */
function readBefore(read: ReadAt<number>, gpa: number, reach: number): Uint8Array | undefined {
  // Multiples of 8, so that offsets in the bytes are aligned as addresses are.
  for (let length = alignDown(Math.min(reach, gpa), 8); length >= 4096; length = alignDown(length / 2, 8)) {
    const bytes = read(gpa - length, length)
    if (bytes !== undefined) return bytes
  }
  return undefined
}

function* scanForNeedle(memory: PhysicalMemory): Iterable<number> {
  const joint = KALLSYMS_NEEDLE.length - 1
  for (const run of memory.runs) {
    const end = run.gpa + run.length
    for (let gpa = run.gpa; gpa < end; ) {
      const { bytes, stop } = memory.window(gpa, Math.min(WINDOW_BYTES, end - gpa))
      for (const hit of kallsymsHits(bytes)) yield gpa + hit
      const done = bytes.length + (stop?.length ?? 0)
      const next = gpa + done
      gpa = stop === undefined && next < end && done > joint ? next - joint : Math.max(next, gpa + 1)
    }
  }
}

/** Exact reads of physical memory inside one run. */
export function physicalReader(memory: PhysicalMemory): ReadAt<number> {
  return (gpa, length) => {
    if (length > WINDOW_BYTES || !memory.runs.some(r => gpa >= r.gpa && gpa + length <= r.gpa + r.length))
      return undefined
    const { bytes } = memory.window(gpa, length)
    return bytes.length === length ? bytes : undefined
  }
}
