/**
 * Zero-copy views of a file that can't kill the process.
 *
 * A file that shrinks under a mapping is SIGBUS for every thread. So the file is mapped only while this thread holds
 * a read lease on it (fcntl(2) F_SETLEASE): the kernel makes whoever wants to truncate the file, or open it for
 * writing, wait until the lease is given back. Before each view the lease is looked at; once somebody waits, the
 * mapping goes first, then the lease, and from there on the file is read by copying. A thread that goes idle lets go of
 * both, since it would not notice who waits. The pages of each view are
 * faulted in by MADV_POPULATE_READ, which reports a bad disk as an error code. docs/DECISIONS.md has the figures.
 */
import type { Libc, Mapping } from '../ffi/libc.js'
import { MAP_ALIGN_BYTES } from '../ffi/libc.js'

/** Mapped at a time. */
const WINDOW_BYTES = 64 * 2 ** 20

export class FileMap implements Disposable {
  readonly #libc: Libc
  readonly #fd: number
  #size = 0
  readonly #windowBytes: number
  #state: 'idle' | 'leased' | 'refused' = 'idle'
  #mapping: Mapping | undefined
  /** What of the file is shown. */
  #start = 0
  #end = 0
  /** Offsets in the mapping between which pages were faulted in. */
  #populatedFrom = 0
  #populatedTo = 0

  constructor(libc: Libc, fd: number, windowBytes = WINDOW_BYTES) {
    this.#libc = libc
    this.#fd = fd
    this.#windowBytes = windowBytes
  }

  /** Somebody waits for the lease. */
  get wanted(): boolean {
    return this.#state === 'leased' && !this.#libc.holdsLease(this.#fd)
  }

  /**
   * True while views can be had. Takes the lease when there is none; where it is refused (another owner, open for
   * writing elsewhere, no leases there) it is not asked for again until `giveBack`.
   */
  usable(): boolean {
    if (this.#state === 'idle') {
      this.#state = this.#libc.takeLease(this.#fd) ? 'leased' : 'refused'
      // it may have shrunk while nobody held it
      this.#size = this.#libc.fileSize(this.#fd)
    }
    return this.#state === 'leased'
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
    if (this.#state === 'leased') this.#libc.releaseLease(this.#fd)
    this.#state = 'idle'
  }

  #window(offset: number, length: number): Mapping | undefined {
    if (offset >= this.#start && offset + length <= this.#end) return this.#mapping
    const start = offset - (offset % MAP_ALIGN_BYTES)
    const wanted = Math.max(this.#windowBytes, offset + length - start)
    if (this.#mapping === undefined || this.#mapping.bytes.length < wanted) {
      this.#mapping?.unmap()
      this.#mapping = this.#libc.reserve(wanted)
    }
    this.#forget()
    const shown = Math.min(wanted, this.#size - start)
    if (this.#mapping?.show(this.#fd, start, shown) !== true) return undefined
    this.#start = start
    this.#end = start + shown
    return this.#mapping
  }

  /** Faults in what is not known to be: under the lease it stays, and asking again costs as much as a tenth of a fast scan. */
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
