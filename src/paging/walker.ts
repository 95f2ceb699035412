/**
 * The walker of every paging mode: numbers only, nothing allocated a walk. A virtual page number is `address >> pageShift`, signed, in a
 * double: exact for 57 bits. An entry is two 32-bit words.
 */
import {
  type AbsentDecoder,
  absentDecoder,
  ENTRY_DEMAND_ZERO,
  ENTRY_PROT_NONE,
  ENTRY_PROTOTYPE,
  ENTRY_SWAPPED,
  ENTRY_TRANSITION,
} from './absent.js'
import { levelShifts, type PagingMode } from './mode.js'
import {
  CONTIGUOUS,
  DEMAND_ZERO,
  EXECUTABLE,
  FRAME_OUTSIDE,
  MAPPED,
  NON_CANONICAL,
  NOT_PRESENT,
  PROT_NONE,
  SWAPPED,
  TABLE_OUTSIDE,
  TABLE_UNREADABLE,
  TRANSITION,
  USER,
  WRITABLE,
} from './outcome.js'
import { PIECE_BYTES, TABLE_IS_NO_MEMORY, TableCache } from './table-cache.js'

/** Result of `step`: `gpa` is the next table's. */
export const STEP_TABLE = -1

const ALL = WRITABLE | USER | EXECUTABLE
/** What a high word's unit is worth. */
export const TWO_32 = 2 ** 32
/** Bit of an entry that the processor heeds. */
export const PRESENT = 1
/** A 64-bit or 4 MiB page in an entry that could be a table's. */
const LARGE = 0x80
/** Bits of a frame in the high word of a 64-bit x86 entry. */
export const HIGH_FRAME_BITS = 0xf_ffff

/** Bits of a VMSAv8-64 descriptor (Arm ARM D8.3); HIGH_ ones are those from 32 up. */
const ARM_TABLE = 2
const ARM_USER = 0x40
const ARM_READ_ONLY = 0x80
const ARM_HIGH_DBM = 1 << 19
const ARM_HIGH_CONTIGUOUS = 1 << 20
const ARM_HIGH_PXN = 1 << 21
const ARM_HIGH_UXN = 1 << 22
const ARM_HIGH_PXN_TABLE = 1 << 27
const ARM_HIGH_UXN_TABLE = 1 << 28
const ARM_HIGH_NO_USER_TABLE = 1 << 29
const ARM_HIGH_READ_ONLY_TABLE = 1 << 30

/** Windows' protection of an absent page: bits 5-9, of which 5-7 say what is allowed (_MMPTE_SOFTWARE.Protection). */
const WINDOWS_WRITABLE = 0x80
const WINDOWS_EXECUTABLE = 0x40
/** Pieces of tables kept for the sake of prototype entries. */
const PROTOTYPE_PIECES = 256

/** Blocks of pages whose last table is remembered. */
const BLOCKS = 1024

/** One a thread and mode. What a walk found is in its fields, until the next walk. */
export class Walker {
  readonly mode: PagingMode
  readonly tables: TableCache
  readonly absent: AbsentDecoder
  /** Levels of tables. */
  readonly levels: number
  /** Where the walk ended: how many levels lie below (0 at a pte). */
  level = 0
  /** log2 of the bytes of the page; with a result other than MAPPED, of what the last entry covers. */
  pageShift = 0
  /** MAPPED and FRAME_OUTSIDE: WRITABLE, USER, ... */
  flags = 0
  /** MAPPED and FRAME_OUTSIDE: gpa of the page asked for (of the smallest size), also inside a large page. */
  gpa = 0.5
  /** The entry that was read last. */
  low = 0
  high = 0
  readonly #aarch64: boolean
  readonly #entryBytes: number
  readonly #last: number
  readonly #shifts: Int32Array
  readonly #leafLowMasks: Int32Array
  readonly #leafHighMasks: Int32Array
  readonly #leaves: Uint8Array
  readonly #contiguous: Uint8Array
  readonly #indexShifts: Int32Array
  readonly #indexMasks: Int32Array
  /** Index bits of the last two levels, and 2 to that power: a page number is handled as two halves of at most 27 bits. */
  readonly #lowPages: number
  readonly #firstLow: number
  readonly #min: number
  readonly #max: number
  readonly #highMask: number
  readonly #pageBytes: number
  #lowerTable = -1
  #upperTable = -1
  #upper = false
  /**
   * What the levels above the last one gave before, as processors remember it: for a block of pages whose entries share a piece of a
   * table, where that piece lies in the cache's words, and the flags so far. Void once `#stamp` has changed.
   */
  readonly #blockPages: number
  readonly #blockKeys = new Float64Array(BLOCKS)
  readonly #blockStamps = new Int32Array(BLOCKS)
  readonly #blockWords = new Int32Array(BLOCKS)
  readonly #blockFlags = new Uint8Array(BLOCKS)
  #stamp = 1
  #generation = 0
  /** Walks to prototype entries, with tables of its own: what is read for them must not move what a caller looks at. */
  #prototypes: Walker | undefined
  #prototypeGeneration = 0
  readonly #follows: boolean

  /** Without `follows`, entries that lead to other entries are not followed. */
  constructor(
    tables: TableCache,
    mode: PagingMode,
    absent: AbsentDecoder = absentDecoder('none'),
    follows = true,
  ) {
    this.tables = tables
    this.#follows = follows
    this.mode = mode
    this.absent = absent
    this.levels = mode.indexBits.length
    this.#aarch64 = mode.format === 'aarch64'
    this.#entryBytes = mode.entryBytes
    this.#last = this.levels - 1
    this.#pageBytes = 2 ** mode.pageShift
    this.#blockPages = PIECE_BYTES / mode.entryBytes
    const shifts = levelShifts(mode)
    this.#shifts = Int32Array.from(shifts)
    this.#leafLowMasks = Int32Array.from(shifts, shift => (shift >= 32 ? 0 : -(2 ** shift)))
    this.#leafHighMasks = Int32Array.from(shifts, shift => (shift > 32 ? -(2 ** (shift - 32)) : -1))
    this.#leaves = Uint8Array.from(mode.leaves, Number)
    this.#contiguous = Uint8Array.from(mode.contiguous, count => Number(count > 1))
    this.#indexMasks = Int32Array.from(mode.indexBits, bits => 2 ** bits - 1)
    this.#firstLow = Math.max(0, this.levels - 2)
    const lowBits = mode.indexBits.slice(this.#firstLow).reduce((sum, bits) => sum + bits, 0)
    this.#lowPages = 2 ** lowBits
    this.#indexShifts = Int32Array.from(shifts, (shift, level) =>
      level >= this.#firstLow ? shift - mode.pageShift : shift - mode.pageShift - lowBits,
    )
    const half =
      2 ** (mode.vaBits - mode.pageShift - (mode.canonical === 'signed' && !mode.splitTables ? 1 : 0))
    this.#max = half
    this.#min = mode.canonical === 'signed' ? -half : 0
    this.#highMask = this.#aarch64 ? (mode.highBits === 'lpa2' ? 0x3_ffff : 0xffff) : HIGH_FRAME_BITS
  }

  /**
   * The top tables from now on, as `tableBase` gives them; -1 for a half without one. Only modes with split tables have an upper one.
   */
  use(table: number, upperTable = -1): void {
    this.#lowerTable = table
    this.#upperTable = this.mode.splitTables ? upperTable : table
    this.#prototypes?.use(table, upperTable)
    this.#forget()
  }

  /** The top table of the half in which `vpn` lies, or -1: it has none, or the page number is none of this mode. */
  begin(vpn: number): number {
    this.flags = ALL
    this.#upper = vpn < 0
    if (!(vpn >= this.#min && vpn < this.#max)) return -1
    return this.#upper ? this.#upperTable : this.#lowerTable
  }

  /** Index of `vpn` in a table of `level`, counted from the top. */
  indexAt(level: number, vpn: number): number {
    const high = Math.floor(vpn / this.#lowPages)
    const part = level >= this.#firstLow ? vpn - high * this.#lowPages : high
    return (part >> (this.#indexShifts[level] as number)) & (this.#indexMasks[level] as number)
  }

  /** Walks to a virtual page. MAPPED, or why not. */
  walk(vpn: number): number {
    const { tables } = this
    if (tables.generation !== this.#generation) this.#forget()
    const block = Math.floor(vpn / this.#blockPages)
    const place = block & (BLOCKS - 1)
    if (this.#blockKeys[place] !== block || this.#blockStamps[place] !== this.#stamp)
      return this.#walkAll(vpn)
    this.flags = this.#blockFlags[place] as number
    this.#upper = vpn < 0
    const index = vpn - block * this.#blockPages
    const words = tables.words
    let at = this.#blockWords[place] as number
    let high = 0
    if (this.#entryBytes === 8) {
      at += index * 2
      high = words[at + 1] as number
    } else at += index
    const result = this.take(this.#last, words[at] as number, high)
    this.level = 0
    this.pageShift = this.mode.pageShift
    return result !== MAPPED || tables.isMemory(this.gpa) ? result : FRAME_OUTSIDE
  }

  /** From the top table down. */
  #walkAll(vpn: number): number {
    let table = this.begin(vpn)
    if (table < 0) return this.#end(NON_CANONICAL, 0)
    const high = Math.floor(vpn / this.#lowPages)
    const low = vpn - high * this.#lowPages
    for (let level = 0; ; level++) {
      const part = level >= this.#firstLow ? low : high
      const index = (part >> (this.#indexShifts[level] as number)) & (this.#indexMasks[level] as number)
      if (level === this.#last && level > 0) this.#remember(vpn, table, index)
      const result = this.step(level, table + index * this.#entryBytes)
      if (result !== STEP_TABLE) return result === MAPPED ? this.#land(vpn, level) : this.#end(result, level)
      table = this.gpa
    }
  }

  /** Keeps where the last table of `vpn` lies. Only the top table may be smaller than a piece, or aligned to less. */
  #remember(vpn: number, table: number, index: number): void {
    const block = Math.floor(vpn / this.#blockPages)
    const at = this.tables.find(table + (index - (index % this.#blockPages)) * this.#entryBytes)
    if (at < 0) return
    // making room for the table may have emptied the cache
    if (this.tables.generation !== this.#generation) this.#forget()
    const place = block & (BLOCKS - 1)
    this.#blockKeys[place] = block
    this.#blockStamps[place] = this.#stamp
    this.#blockWords[place] = at
    this.#blockFlags[place] = this.flags
  }

  #forget(): void {
    this.#generation = this.tables.generation
    // stamps are compared for equality only, and 2^31 of them don't come round in the life of an entry
    this.#stamp = (this.#stamp + 1) | 0
  }

  /**
   * Takes in the entry at `entryGpa`, which belongs to a table of `level`, counted from the top. STEP_TABLE; MAPPED, `gpa` being the
   * first byte of the whole page (which may be no memory); or why not. `flags` gathers what every step says; `begin` resets it.
   */
  step(level: number, entryGpa: number): number {
    const at = this.tables.find(entryGpa)
    if (at < 0) return at === TABLE_IS_NO_MEMORY ? TABLE_OUTSIDE : TABLE_UNREADABLE
    const words = this.tables.words
    return this.take(level, words[at] as number, this.#entryBytes === 8 ? (words[at + 1] as number) : 0)
  }

  /** As `step`, with the entry's words in hand. */
  take(level: number, low: number, high: number): number {
    this.low = low
    this.high = high
    if ((low & PRESENT) === 0) return (low | high) === 0 ? NOT_PRESENT : this.#takeInvalid(level, low, high)
    return this.#aarch64 ? this.#takeAarch64(level, low, high) : this.#takeX86(level, low, high)
  }

  /** What a result that `step` gave at `level` means for the whole walk to `vpn`. */
  land(result: number, vpn: number, level: number): number {
    return result === MAPPED ? this.#land(vpn, level) : this.#end(result, level)
  }

  #takeX86(level: number, low: number, high: number): number {
    // the no-execute bit is the sign of the high word; 32-bit entries have none, and their high word is 0
    if (level >= this.mode.bareLevels)
      this.flags &= ((low >> 1) & (WRITABLE | USER)) | (high < 0 ? 0 : EXECUTABLE)
    if (level === this.#last) return this.#leaf(level, low, high)
    if ((low & LARGE) !== 0) {
      if (this.#leaves[level] === 1) return this.#leaf(level, low, high)
      // a reserved bit, but for 32-bit paging without PSE, which ignores it
      if (this.mode.format !== 'ia32') return NOT_PRESENT
    }
    this.gpa = (high & HIGH_FRAME_BITS) * TWO_32 + ((low & -4096) >>> 0)
    return STEP_TABLE
  }

  #takeAarch64(level: number, low: number, high: number): number {
    const table = (low & ARM_TABLE) !== 0
    if (level === this.#last) {
      if (!table) return NOT_PRESENT
    } else if (table) {
      if ((high & ARM_HIGH_NO_USER_TABLE) !== 0) this.flags &= ~USER
      if ((high & ARM_HIGH_READ_ONLY_TABLE) !== 0) this.flags &= ~WRITABLE
      if ((high & (this.#upper ? ARM_HIGH_PXN_TABLE : ARM_HIGH_UXN_TABLE)) !== 0) this.flags &= ~EXECUTABLE
      this.gpa = this.#armAddress(low, high, -this.#pageBytes, -1)
      return STEP_TABLE
    } else if (this.#leaves[level] === 0) return NOT_PRESENT
    if ((low & ARM_USER) === 0) this.flags &= ~USER
    // with dirty state managed by hardware, a clean writable page is marked read-only
    if ((low & ARM_READ_ONLY) !== 0 && (high & ARM_HIGH_DBM) === 0) this.flags &= ~WRITABLE
    if ((high & (this.#upper ? ARM_HIGH_PXN : ARM_HIGH_UXN)) !== 0) this.flags &= ~EXECUTABLE
    return this.#leaf(level, low, high)
  }

  /** An entry that the processor ignores. */
  #takeInvalid(level: number, low: number, high: number): number {
    const kind = this.absent.classify(low, high, level === this.#last)
    switch (kind) {
      case ENTRY_SWAPPED:
        return SWAPPED
      case ENTRY_DEMAND_ZERO:
        return DEMAND_ZERO
      case ENTRY_TRANSITION:
        return this.#takeTransition(level, low, high)
      case ENTRY_PROTOTYPE:
        return this.#takePrototype(level, low, high)
      case ENTRY_PROT_NONE:
        if (this.#leaves[level] === 0) return NOT_PRESENT
        this.flags = (this.flags & USER) | PROT_NONE
        return this.#leaf(level, low ^ this.absent.invertLow, high ^ this.absent.invertHigh)
      default:
        return NOT_PRESENT
    }
  }

  /** A page, or a table, that is on its way out of memory, and still there. */
  #takeTransition(level: number, low: number, high: number): number {
    const frameHigh = high & this.absent.transitionHigh
    if (level !== this.#last) {
      this.gpa = frameHigh * TWO_32 + ((low & -4096) >>> 0)
      return STEP_TABLE
    }
    const allowed =
      ((low & WINDOWS_WRITABLE) !== 0 ? WRITABLE : 0) | ((low & WINDOWS_EXECUTABLE) !== 0 ? EXECUTABLE : 0)
    this.flags = (this.flags & (USER | allowed)) | TRANSITION
    return this.#leaf(level, low, frameHigh)
  }

  /** An entry that another one, shared by all who map the page, stands for. It is in the kernel's memory; it leads no further. */
  #takePrototype(level: number, low: number, high: number): number {
    const address = this.#follows ? this.absent.prototype(low, high) : Number.NaN
    if (Number.isNaN(address)) return NOT_PRESENT
    const other = this.#prototypeWalker()
    if (other.walk(Math.floor(address / this.#pageBytes)) !== MAPPED) return NOT_PRESENT
    const inPage = address - Math.floor(address / this.#pageBytes) * this.#pageBytes
    const at = other.tables.find(other.gpa + inPage - (inPage % this.#entryBytes))
    if (at < 0) return NOT_PRESENT
    const entryLow = other.tables.words[at] as number
    const entryHigh = this.#entryBytes === 8 ? (other.tables.words[at + 1] as number) : 0
    this.low = entryLow
    this.high = entryHigh
    if ((entryLow & PRESENT) !== 0) return this.#takeX86(level, entryLow | (USER << 1), entryHigh)
    if ((entryLow | entryHigh) === 0) return NOT_PRESENT
    switch (this.absent.classify(entryLow, entryHigh, true)) {
      case ENTRY_TRANSITION:
        return this.#takeTransition(level, entryLow, entryHigh)
      case ENTRY_SWAPPED:
        return SWAPPED
      case ENTRY_DEMAND_ZERO:
        return DEMAND_ZERO
      default:
        return NOT_PRESENT
    }
  }

  #prototypeWalker(): Walker {
    const { tables } = this
    if (this.#prototypes === undefined) {
      this.#prototypes = new Walker(
        new TableCache(tables.memory, PROTOTYPE_PIECES),
        this.mode,
        this.absent,
        false,
      )
      this.#prototypes.use(this.#lowerTable, this.#upperTable)
    } else if (this.#prototypeGeneration !== tables.generation) this.#prototypes.tables.clear()
    this.#prototypeGeneration = tables.generation
    return this.#prototypes
  }

  #leaf(level: number, low: number, high: number): number {
    const lowMask = this.#leafLowMasks[level] as number
    const highMask = this.#leafHighMasks[level] as number
    if (this.#aarch64) {
      if ((high & ARM_HIGH_CONTIGUOUS) !== 0 && this.#contiguous[level] === 1) this.flags |= CONTIGUOUS
      this.gpa = this.#armAddress(low, high, lowMask, highMask)
    } else {
      // PSE-36: a 4 MiB page's address bits 32-39 stand in bits 13-20
      const top =
        level === this.#last || this.mode.highBits !== 'pse36' ? high & HIGH_FRAME_BITS : (low >> 13) & 0xff
      this.gpa = (top & highMask) * TWO_32 + ((low & lowMask) >>> 0)
    }
    return MAPPED
  }

  #armAddress(low: number, high: number, lowMask: number, highMask: number): number {
    const plain = (high & this.#highMask & highMask) * TWO_32 + ((low & lowMask) >>> 0)
    switch (this.mode.highBits) {
      case 'lpa':
        return plain + ((low >> 12) & 0xf) * 2 ** 48
      case 'lpa2':
        return plain + ((low >> 8) & 3) * 2 ** 50
      default:
        return plain
    }
  }

  /** From the page's first byte to the one asked for, and whether it is memory. */
  #land(vpn: number, level: number): number {
    this.#end(MAPPED, level)
    const pages = 2 ** (this.pageShift - this.mode.pageShift)
    if (pages > 1) this.gpa += (vpn - Math.floor(vpn / pages) * pages) * this.#pageBytes
    return this.tables.isMemory(this.gpa) ? MAPPED : FRAME_OUTSIDE
  }

  #end(result: number, level: number): number {
    this.level = this.#last - level
    this.pageShift = this.#shifts[level] as number
    return result
  }
}
