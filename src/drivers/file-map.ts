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
  readonly #size: number
  readonly #windowBytes: number
  #state: 'idle' | 'leased' | 'refused' = 'idle'
  #mapping: Mapping | undefined
  #start = 0

  constructor(libc: Libc, fd: number, size: number, windowBytes = WINDOW_BYTES) {
    this.#libc = libc
    this.#fd = fd
    this.#size = size
    this.#windowBytes = windowBytes
  }

  /** Somebody waits for the lease; the next `view` gives it back. */
  get wanted(): boolean {
    return this.#state === 'leased' && !this.#libc.holdsLease(this.#fd)
  }

  /**
   * True while views can be had. Takes the lease when there is none; where it is refused (another owner, open for
   * writing elsewhere, no leases there) it is not asked for again until `giveBack`.
   */
  usable(): boolean {
    if (this.#state === 'idle') this.#state = this.#libc.takeLease(this.#fd) ? 'leased' : 'refused'
    return this.#state === 'leased'
  }

  /** The bytes at `offset`, borrowed until the next call; undefined when they must be copied instead. */
  view(offset: number, length: number): Uint8Array | undefined {
    if (offset + length > this.#size || !this.usable()) return undefined
    if (this.wanted) {
      this.giveBack()
      this.#state = 'refused'
      return undefined
    }
    const mapping = this.#window(offset, length)
    if (mapping === undefined) return undefined
    const from = offset - this.#start
    if (!mapping.populate(from, length)) return undefined
    return mapping.bytes.subarray(from, from + length)
  }

  /** Unmaps, then lets the lease go: in this order, or the file could shrink under the mapping. */
  giveBack(): void {
    this.#mapping?.unmap()
    this.#mapping = undefined
    if (this.#state === 'leased') this.#libc.releaseLease(this.#fd)
    this.#state = 'idle'
  }

  #window(offset: number, length: number): Mapping | undefined {
    const current = this.#mapping
    if (
      current !== undefined &&
      offset >= this.#start &&
      offset + length <= this.#start + current.bytes.length
    )
      return current
    current?.unmap()
    this.#start = offset - (offset % MAP_ALIGN_BYTES)
    const wanted = Math.max(this.#windowBytes, offset + length - this.#start)
    this.#mapping = this.#libc.map(this.#fd, this.#start, Math.min(wanted, this.#size - this.#start))
    return this.#mapping
  }

  [Symbol.dispose](): void {
    this.giveBack()
  }
}
