/**
 * Zero-copy views of a file that can't kill the process.
 *
 * A file that shrinks under a mapping is SIGBUS for every thread. A memfd that is sealed can't shrink; any other file is mapped only
 * while this thread holds a read lease on it (fcntl(2) F_SETLEASE): the kernel makes whoever wants to truncate the file, or open it for
 * writing, wait until the lease is given back. Before each view the lease is looked at; once somebody waits, the
 * mapping goes first, then the lease, and from there on the file is read by copying. A thread that goes idle lets go of
 * both, since it would not notice who waits. The pages of each view are
 * faulted in by MADV_POPULATE_READ, which reports a bad disk as an error code. docs/DECISIONS.md has the figures.
 */
import type { Libc, Mapping } from '../ffi/libc.js'
import { MAP_ALIGN_BYTES } from '../ffi/libc.js'

/** Mapped at a time. */
const WINDOW_BYTES = 64 * 2 ** 20

/** What keeps a file from shrinking while it is mapped. */
export interface Hold {
  /** False when it can't be had. */
  take(): boolean
  /** Somebody else waits for it. */
  readonly wanted: boolean
  release(): void
}

export interface WindowOptions {
  /** Mapped at a time; at least what is asked for. */
  readonly windowBytes?: number
  /** What mappings of the file begin and end at: its pages, where they are huge. */
  readonly align?: number
}

/** A read lease: for files that nobody has open for writing. */
export function leaseOn(libc: Libc, fd: number): Hold {
  return {
    take: () => libc.takeLease(fd),
    get wanted() {
      return !libc.holdsLease(fd)
    },
    release: () => libc.releaseLease(fd),
  }
}

/** For a file that is sealed against shrinking for good: nothing needs to be held. */
export const SEALED: Hold = { take: () => true, wanted: false, release: () => undefined }

export class FileMap implements Disposable {
  readonly #libc: Libc
  readonly #fd: number
  readonly #hold: Hold
  #size = 0
  readonly #windowBytes: number
  readonly #align: number
  #state: 'idle' | 'held' | 'refused' = 'idle'
  #mapping: Mapping | undefined
  /** What of the file is shown. */
  #start = 0
  #end = 0
  /** Offsets in the mapping between which pages were faulted in. */
  #populatedFrom = 0
  #populatedTo = 0

  constructor(
    libc: Libc,
    fd: number,
    hold: Hold,
    { windowBytes = WINDOW_BYTES, align = MAP_ALIGN_BYTES }: WindowOptions = {},
  ) {
    this.#libc = libc
    this.#fd = fd
    this.#hold = hold
    this.#align = align
    this.#windowBytes = windowBytes
  }

  /** Somebody waits for the file. */
  get wanted(): boolean {
    return this.#state === 'held' && this.#hold.wanted
  }

  /**
   * True while views can be had. Takes hold of the file when it is not held; where a lease is refused (another owner, open
   * for writing elsewhere, no leases there) it is not asked for again until `giveBack`.
   */
  usable(): boolean {
    if (this.#state === 'idle') {
      this.#state = this.#hold.take() ? 'held' : 'refused'
      // it may have shrunk while nobody held it
      this.#size = this.#libc.fileSize(this.#fd)
    }
    return this.#state === 'held'
  }

  /** To be called before every access: lets the lease go when somebody waits for it. */
  yieldIfWanted(): void {
    if (!this.wanted) return
    this.giveBack()
    this.#state = 'refused'
  }

  /** The bytes at `offset`, borrowed until the next call; undefined when they must be copied instead. */
  view(offset: number, length: number): Uint8Array | undefined {
    if (!this.usable() || offset + length > this.#size) return undefined
    const mapping = this.#window(offset, length)
    if (mapping === undefined) return undefined
    const from = offset - this.#start
    if (!this.#populate(mapping, from, from + length)) return undefined
    return mapping.bytes.subarray(from, from + length)
  }

  /** Unmaps, then lets the lease go: in this order, or the file could shrink under the mapping. */
  giveBack(): void {
    if (this.#end > 0) this.#mapping?.hide()
    this.#forget()
    if (this.#state === 'held') this.#hold.release()
    this.#state = 'idle'
  }

  #window(offset: number, length: number): Mapping | undefined {
    if (offset >= this.#start && offset + length <= this.#end) return this.#mapping
    const start = offset - (offset % this.#align)
    const needed = Math.ceil((offset + length - start) / this.#align) * this.#align
    const wanted = Math.max(this.#windowBytes, needed)
    if (this.#mapping === undefined || this.#mapping.bytes.length < wanted) {
      this.#mapping?.unmap()
      this.#mapping = this.#libc.reserve(wanted, this.#align)
    }
    this.#forget()
    const shown = Math.min(wanted, this.#size - start)
    if (this.#mapping?.show(this.#fd, start, shown) !== true) return undefined
    this.#start = start
    this.#end = start + shown
    return this.#mapping
  }

  /** Faults in what is not known to be: while the file is held it stays, and asking again costs as much as a tenth of a fast scan. */
  #populate(mapping: Mapping, from: number, to: number): boolean {
    const known = from >= this.#populatedFrom && from <= this.#populatedTo
    const start = known ? this.#populatedTo : from
    if (to <= start) return true
    if (!mapping.populate(start, to - start)) return false
    if (!known) this.#populatedFrom = from
    this.#populatedTo = to
    return true
  }

  #forget(): void {
    this.#start = this.#end = this.#populatedFrom = this.#populatedTo = 0
  }

  [Symbol.dispose](): void {
    this.giveBack()
    this.#mapping?.unmap()
    this.#mapping = undefined
  }
}
