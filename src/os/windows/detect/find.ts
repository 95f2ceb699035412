/** Finding a Windows kernel in a guest's memory. */
import { hex } from '../../../core/address.js'
import type { Architecture } from '../../../core/architecture.js'
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'
import { clipRuns } from '../../../core/runs.js'
import type { ImageNotes } from '../../../formats/image.js'
import type { SymbolFile } from '../../../symbols/load.js'
import { Budget } from '../../search/budget.js'
import { readPhysical } from '../../search/physical.js'
import { sweep } from '../../search/sweep.js'
import { StructReader } from '../../struct/reader.js'
import type { FindingWay, FoundBy, KernelPlaces } from '../kernel.js'
import { type Candidate, candidateSpace, windowsMode } from './candidate.js'
import { crossCheckWays } from './cross-check.js'
import { KDBG_TAG } from './debugger-block.js'
import { LINK_BEFORE, systemBefore, type TaggedBlock, taggedBlock } from './from-debugger.js'
import { dumpAgrees, dumpCandidates } from './from-dump.js'
import { mapsSharedData, registerCandidates } from './from-registers.js'
import { type KernelImage, kernelAround, kernelAt, kernelIn } from './kernel-image.js'
import { type OpenedWindows, openWindows } from './open.js'
import {
  kpcr32At,
  kpcr64At,
  lowStubAt,
  paeDirectories,
  paeTopAt,
  paeTopNeedle,
  SYSTEM_BEFORE,
  SYSTEM_NAME,
  selfMap32,
  selfMap64,
  systemProcessAt,
} from './shapes.js'

/** What is known beside memory, all of it optional. */
export interface WindowsHints {
  readonly notes?: ImageNotes | undefined
  readonly architecture?: Architecture | undefined
  /** Symbols and types of a file. */
  readonly file?: SymbolFile | undefined
  /** Only these ways are gone; default all. */
  readonly ways?: readonly FindingWay[]
}

const PAGE_BYTES = 4096
const LOW_BYTES = 1 << 20
const EARLY_BYTES = 32 << 20
/** Tables and structures that are tried in all. */
const MAX_TRIED = 4096
/** Of them, those that are tried last. */
const MAX_DOUBTFUL = 256
/** Debuggers' blocks whose System process is looked for. */
const MAX_BLOCKS = 16
/** Page directories of PAE whose top table is looked for. */
const MAX_PAE = 64
const MAX_HITS_A_WINDOW = 1024
/** Bytes that windows should share, so that none of it is lost at a joint. */
export const WINDOWS_OVERLAP = SYSTEM_BEFORE

/** What a dump's header, the low stub and registers tell, and the tables low in memory: no search worth the name. Undefined when none of them leads to a kernel. */
export function findWindowsAtOnce(memory: PhysicalMemory, hints: WindowsHints): OpenedWindows | undefined {
  const search = new WindowsSearch(memory, hints)
  for (const candidate of wanted(hints, 'dump') ? dumpCandidates(hints) : []) {
    const found = search.attempt(candidate)
    if (found !== undefined) return found
  }
  for (const candidate of lowStubs(memory, hints)) {
    const found = search.attempt(candidate, true)
    if (found !== undefined) return found
  }
  for (const candidate of wanted(hints, 'registers') ? registerCandidates(memory, hints) : []) {
    const found = search.attempt(candidate)
    if (found !== undefined) return found
  }
  // System's own tables are made while the guest boots, low in memory
  return search.sweepRuns(clipRuns(memory.runs, 0, EARLY_BYTES))
}

/** One pass over memory; undefined when no kernel is found. Never throws for what stands in memory. */
export function findWindows(memory: PhysicalMemory, hints: WindowsHints): OpenedWindows | undefined {
  const search = new WindowsSearch(memory, hints)
  return search.sweepRuns(memory.runs) ?? search.afterwards()
}

function wanted({ ways }: WindowsHints, way: FindingWay): boolean {
  return ways === undefined || ways.includes(way)
}

function* lowStubs(memory: PhysicalMemory, hints: WindowsHints): Generator<Candidate> {
  if (!wanted(hints, 'low-stub')) return
  for (let gpa = PAGE_BYTES; gpa < LOW_BYTES; gpa += PAGE_BYTES) {
    const page = readPhysical(memory, gpa, 0x100)
    const found = page === undefined ? undefined : lowStubAt(page)
    if (found !== undefined) yield found
  }
}

/** Tries candidates, each table once. */
export class WindowsSearch {
  readonly #memory: PhysicalMemory
  readonly #hints: WindowsHints
  readonly #budget = new Budget()
  readonly #tried = new Set<string>()
  readonly #pae: (readonly number[])[] = []
  readonly #blocks = new Map<string, TaggedBlock>()
  readonly #doubtful: Candidate[] = []

  constructor(memory: PhysicalMemory, hints: WindowsHints) {
    this.#memory = memory
    this.#hints = hints
  }

  /**
   * The kernel under this table, opened; undefined where there is none. Tables that do not map what every Windows maps wait until the
   * rest was tried (it may not be in the image), unless the candidate is `sure`: a look at a false one may take seconds.
   */
  attempt(candidate: Candidate, sure = false): OpenedWindows | undefined {
    const key = `${candidate.mode.name} ${candidate.dtb}`
    if (this.#tried.has(key) || this.#tried.size >= MAX_TRIED) return undefined
    this.#tried.add(key)
    if (sure || this.#isLikely(candidate)) return this.#try(candidate)
    if (this.#doubtful.length < MAX_DOUBTFUL) this.#doubtful.push(candidate)
    return undefined
  }

  #isLikely(candidate: Candidate): boolean {
    if (mapsSharedData(this.#memory, candidate)) return true
    if (candidate.mode.name !== '4-level') return false
    return mapsSharedData(this.#memory, { ...candidate, mode: windowsMode('la57') })
  }

  #tryDoubtful(): OpenedWindows | undefined {
    let found: OpenedWindows | undefined
    const told = wanted(this.#hints, 'dump') ? [...dumpCandidates(this.#hints)] : []
    for (const candidate of [...told, ...this.#doubtful]) found ??= this.#try(candidate)
    return found
  }

  #try(candidate: Candidate): OpenedWindows | undefined {
    return this.#budget.spend(() => {
      const image = this.#image(candidate)
      const found = image === undefined ? undefined : this.#open(candidate, image)
      if (found !== undefined || candidate.mode.name !== '4-level') return found
      const la57 = { ...candidate, mode: windowsMode('la57') }
      const wide = this.#image(la57)
      return wide === undefined ? undefined : this.#open(la57, wide)
    })
  }

  #image(candidate: Candidate): KernelImage | undefined {
    const space = candidateSpace(this.#memory, candidate)
    const near = candidate.inside === undefined ? undefined : kernelAround(space, candidate.inside)
    return near ?? kernelIn(space)
  }

  #open(candidate: Candidate, image: KernelImage): OpenedWindows | undefined {
    const { mode } = candidate
    const { pe } = image
    const record = {
      mode,
      dtb: candidate.dtb,
      kernelBase: pe.base,
      timestamp: pe.timestamp,
      sizeBytes: pe.sizeBytes,
      foundBy: [] as readonly FoundBy[],
      places: {} as KernelPlaces,
    }
    const first = openWindows(this.#memory, record, image, undefined)
    const system = systemTable(first)
    if (system === undefined) return undefined
    const dtb = this.#sameKernel(candidate, system, image) ? system : candidate.dtb
    const block = first.block()
    const final = { ...record, dtb, places: first.record().places }
    const ways = [
      ...crossCheckWays(this.#memory, candidate, final, block),
      dumpAgrees(this.#hints, final),
    ].filter(each => each !== undefined)
    const foundBy = [firstOf(candidate, dtb, ways), ...ways.filter(({ way }) => way !== candidate.way)]
    const own =
      dtb === candidate.dtb
        ? image
        : (kernelAt(candidateSpace(this.#memory, { mode, dtb }), pe.base) ?? image)
    return openWindows(this.#memory, { ...final, foundBy }, own, this.#hints.file)
  }

  /** Whether the table of System maps the kernel where the candidate's does. */
  #sameKernel(candidate: Candidate, dtb: number, image: KernelImage): boolean {
    const [one, other] = [candidate.dtb, dtb].map(table =>
      candidateSpace(this.#memory, { mode: candidate.mode, dtb: table }).translate(image.pe.base),
    )
    return one?.kind === 'mapped' && other?.kind === 'mapped' && one.gpa === other.gpa
  }

  /** What is left to try when all of memory was shown. */
  afterwards(): OpenedWindows | undefined {
    return this.#sweepPae() ?? this.#sweepLinks() ?? this.#tryDoubtful()
  }

  /** Tries what looks like a table, a processor's block or System in these ranges. */
  sweepRuns(ranges: readonly MemoryRun[]): OpenedWindows | undefined {
    let found: OpenedWindows | undefined
    sweep(
      this.#memory,
      (bytes, gpa) => {
        found = this.look(bytes, gpa)()
        return found !== undefined
      },
      { overlap: WINDOWS_OVERLAP, ranges },
    )
    return found
  }

  /** Looks through a window, which should share `WINDOWS_OVERLAP` bytes with the next. What that gives tries what was seen: `bytes` may then be overwritten. */
  look(bytes: Buffer, gpa: number): () => OpenedWindows | undefined {
    const candidates = this.#shapes(bytes, gpa)
    return () => {
      let found: OpenedWindows | undefined
      for (const candidate of candidates) found ??= this.attempt(candidate)
      return found
    }
  }

  #shapes(bytes: Buffer, gpa: number): Candidate[] {
    const found: Candidate[] = []
    const selfMaps = wanted(this.#hints, 'self-map')
    const kpcrs = wanted(this.#hints, 'kpcr')
    const words = wordsOf(bytes)
    const first = (PAGE_BYTES - (gpa % PAGE_BYTES)) % PAGE_BYTES
    for (
      let at = first;
      at + PAGE_BYTES <= bytes.length && found.length < MAX_HITS_A_WINDOW;
      at += PAGE_BYTES
    ) {
      const word = at / 4
      const page = gpa + at
      if (selfMaps) {
        // a 32-bit directory looks like a 64-bit table when the entry above its own is empty
        const wide = selfMap64(words, word, page)
        if (wide !== undefined) found.push(wide)
        const narrow = selfMap32(words, word, page)
        if (narrow !== undefined) found.push(narrow)
        const directories = paeDirectories(words, word, page)
        if (directories !== undefined && this.#pae.length < MAX_PAE) this.#pae.push(directories)
      }
      if (!kpcrs) continue
      // the upper half of a pointer, or a pointer
      if (words[word + 7] === words[word + 9] && (words[word + 7] as number) >>> 16 === 0xffff) {
        const candidate = kpcr64At(this.#memory, bytes.subarray(at, at + PAGE_BYTES))
        if (candidate !== undefined) found.push(candidate)
      }
      if ((words[word + 8] as number) - (words[word + 7] as number) === 0x120)
        found.push(...kpcr32At(this.#memory, bytes.subarray(at, at + PAGE_BYTES)))
    }
    if (wanted(this.#hints, 'process'))
      for (let at = bytes.indexOf(SYSTEM_NAME); at >= 0; at = bytes.indexOf(SYSTEM_NAME, at + 1)) {
        if (at >= SYSTEM_BEFORE || gpa + at < SYSTEM_BEFORE)
          found.push(...systemProcessAt(this.#memory, bytes, at))
        if (found.length >= MAX_HITS_A_WINDOW) break
      }
    if (wanted(this.#hints, 'kdbg')) this.#keepBlocks(bytes)
    return found
  }

  #keepBlocks(bytes: Buffer): void {
    for (let at = bytes.indexOf(KDBG_TAG); at >= 0; at = bytes.indexOf(KDBG_TAG, at + 4)) {
      const block = this.#blocks.size < MAX_BLOCKS ? taggedBlock(bytes, at) : undefined
      if (block !== undefined) this.#blocks.set(block.head.toString('hex'), block)
    }
  }

  /** The System process whose back link leads to the head of the list that a debugger's block names. */
  #sweepLinks(): OpenedWindows | undefined {
    let found: OpenedWindows | undefined
    const blocks = [...this.#blocks.values()]
    if (blocks.length === 0) return undefined
    sweep(
      this.#memory,
      (bytes, gpa) => {
        const hits: Candidate[] = []
        for (const block of blocks)
          for (
            let at = bytes.indexOf(block.head);
            at >= 0 && hits.length < MAX_HITS_A_WINDOW;
            at = bytes.indexOf(block.head, at + 4)
          )
            if (at >= LINK_BEFORE || gpa + at < LINK_BEFORE)
              hits.push(...systemBefore(this.#memory, bytes, at, block))
        for (const candidate of hits) found ??= this.attempt(candidate)
        return found !== undefined
      },
      { overlap: LINK_BEFORE + 8 },
    )
    return found
  }

  /** Top tables of PAE: 32 bytes anywhere below 4 GiB that lead to four directories which were found. */
  #sweepPae(): OpenedWindows | undefined {
    let found: OpenedWindows | undefined
    const needles = this.#pae.map(paeTopNeedle)
    if (needles.length === 0) return undefined
    sweep(
      this.#memory,
      (bytes, gpa) => {
        const hits: Candidate[] = []
        for (const needle of needles)
          for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 8)) {
            const top = paeTopAt(gpa + at)
            if (top !== undefined && hits.length < MAX_HITS_A_WINDOW) hits.push(top)
          }
        for (const candidate of hits) found ??= this.attempt(candidate)
        return found !== undefined
      },
      { overlap: 32, ranges: clipRuns(this.#memory.runs, 0, 2 ** 32) },
    )
    return found
  }
}

/** The same bytes as words: a copy only where they don't lie at a word. */
function wordsOf(bytes: Buffer): Int32Array {
  const length = bytes.length >> 2
  if (bytes.byteOffset % 4 === 0) return new Int32Array(bytes.buffer, bytes.byteOffset, length)
  return new Int32Array(Uint8Array.from(bytes.subarray(0, length * 4)).buffer)
}

/** The way that led here, with what its cross-check says. */
function firstOf({ way, dtb }: Candidate, own: number, ways: readonly FoundBy[]): FoundBy {
  const checked = ways.find(each => each.way === way)
  const table = `page table ${hex(dtb)}${dtb === own ? '' : ', of another process than System'}`
  return {
    way,
    agrees: checked?.agrees ?? true,
    detail: checked === undefined ? table : `${table}, ${checked.detail}`,
  }
}

/** System's page table, where the kernel's System process is one; its process id is 4 (8 before 5.1). */
function systemTable({ kernel }: OpenedWindows): number | undefined {
  const { types, memory, places } = kernel
  const reader = new StructReader({ memory, types })
  const address = places.systemProcess?.address
  const id = types.member('_EPROCESS', 'UniqueProcessId')?.offset
  const table = types.member('_EPROCESS', 'Pcb.DirectoryTableBase')?.offset
  if (address === undefined || table === undefined) return undefined
  const pid = id === undefined ? undefined : reader.pointer(address + BigInt(id))
  if (pid !== undefined && pid !== 4n && pid !== 8n) return undefined
  const dtb = reader.pointer(address + BigInt(table))
  return dtb === undefined ? undefined : Number(BigInt.asUintN(52, dtb))
}
