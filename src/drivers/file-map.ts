/**
 * Zero-copy views of a file that can't kill the process.
 *
 * A file that shrinks under a mapping is SIGBUS for every thread. So the file is mapped only while this thread holds
 * a read lease on it (fcntl(2) F_SETLEASE): the kernel makes whoever wants to truncate the file, or open it for
 * writing, wait until the lease is given back. Before each view the lease is looked at; once somebody waits, the
 * mapping goes first, then the lease, and from there on the file is read by copying. The pages of each view are
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
  #leased: boolean
  #mapping: Mapping | undefined
  #start = 0

  /** Takes the lease; where it is refused (another owner, open for writing elsewhere, no leases there) `view` gives nothing. */
  constructor(libc: Libc, fd: number, size: number, windowBytes = WINDOW_BYTES) {
    this.#libc = libc
    this.#fd = fd
    this.#size = size
    this.#windowBytes = windowBytes
    this.#leased = size > 0 && libc.takeLease(fd)
  }

  /** True while views can be had. */
  get leased(): boolean {
    return this.#leased
  }

  /** The bytes at `offset`, borrowed until the next call; undefined when they must be copied instead. */
  view(offset: number, length: number): Uint8Array | undefined {
    if (!this.#leased || offset + length > this.#size) return undefined
    if (!this.#libc.holdsLease(this.#fd)) {
      this.#giveBack()
      return undefined
    }
    const mapping = this.#window(offset, length)
    if (mapping === undefined) return undefined
    const from = offset - this.#start
    if (!mapping.populate(from, length)) return undefined
    return mapping.bytes.subarray(from, from + length)
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

  #giveBack(): void {
    this.#mapping?.unmap()
    this.#mapping = undefined
    if (this.#leased) this.#libc.releaseLease(this.#fd)
    this.#leased = false
  }

  [Symbol.dispose](): void {
    this.#giveBack()
  }
}
