/** Reading by virtual address, page by page as they are found. */
import { VmsiftError } from '../core/errors.js'
import type { GapReason } from '../core/memory.js'
import type { Absent, AbsentReason, VirtualRead } from '../core/virtual-memory.js'
import type { CachedWalker } from './cached-walker.js'
import { MAPPED, NON_CANONICAL, reasonOf, TABLE_UNREADABLE } from './outcome.js'
import { pageOffset, vpnOf } from './translation.js'

/** Longest read. */
export const MAX_READ_BYTES = 64 * 2 ** 20

/** See `VirtualMemory.read`. `walker` must be set to the address space's tables. */
export function readVirtual(walker: CachedWalker, va: bigint, length: number): VirtualRead {
  if (!Number.isInteger(length) || length < 0 || length > MAX_READ_BYTES)
    throw new VmsiftError('bad-argument', `can't read ${length} bytes at once: 0 to ${MAX_READ_BYTES}`, {
      detail: { length },
    })
  const start = vpnOf(walker.walker.mode, va)
  const reader = new Reader(walker, va, length)
  if (Number.isNaN(start)) reader.lose(length, 'non-canonical')
  else reader.readPages(start, pageOffset(walker.walker.mode, va))
  return { bytes: reader.bytes, absent: reader.absent }
}

class Reader {
  readonly bytes: Uint8Array
  readonly absent: Absent[] = []
  readonly #walker: CachedWalker
  readonly #va: bigint
  readonly #pageBytes: number
  #done = 0

  constructor(walker: CachedWalker, va: bigint, length: number) {
    this.bytes = new Uint8Array(length)
    this.#walker = walker
    this.#va = va
    this.#pageBytes = 2 ** walker.walker.mode.pageShift
  }

  readPages(start: number, offset: number): void {
    while (this.#done < this.bytes.length) {
      const into = offset + this.#done
      const vpn = start + Math.floor(into / this.#pageBytes)
      const inPage = into % this.#pageBytes
      // page 0 does not follow the last one
      const result = start < 0 && vpn >= 0 ? NON_CANONICAL : this.#walker.find(vpn)
      if (result === MAPPED) this.#copy(vpn, inPage)
      else if (start < 0 && vpn >= 0) this.lose(this.bytes.length, 'non-canonical')
      else this.#miss(vpn, inPage)
    }
  }

  /** Copies from the page that was found, and from those behind it that continue it in physical memory as well. */
  #copy(vpn: number, inPage: number): void {
    const walker = this.#walker
    const { tables } = walker.walker
    const gpa = walker.gpa + inPage
    const room = Math.min(tables.memoryFrom(gpa), this.bytes.length - this.#done)
    // a run may end inside a page
    if (room === 0) {
      this.lose(this.#pageBytes - inPage, 'out-of-memory')
      return
    }
    let length = this.#restOf(walker.pageShift, vpn) - inPage
    let next = vpn
    while (length < room) {
      next = vpn + (inPage + length) / this.#pageBytes
      if ((vpn < 0 && next >= 0) || walker.find(next) !== MAPPED || walker.gpa !== gpa + length) break
      length += this.#restOf(walker.pageShift, next)
    }
    length = Math.min(length, room)
    const { bytes, stop } = tables.memory.window(gpa, length)
    this.bytes.set(bytes, this.#done)
    this.#done += bytes.length
    if (bytes.length < length)
      this.lose(
        Math.min(Math.max(1, stop?.length ?? length), length - bytes.length),
        'unreadable',
        stop?.reason,
      )
  }

  /** Bytes from the start of `vpn` to the end of the page, 2^`shift` bytes, that holds it. */
  #restOf(shift: number, vpn: number): number {
    const pages = 2 ** shift / this.#pageBytes
    return (pages - (vpn - Math.floor(vpn / pages) * pages)) * this.#pageBytes
  }

  /** All that the entry which ended the walk covers is absent; a frame that is no memory loses its page only. */
  #miss(vpn: number, inPage: number): void {
    const { walker } = this.#walker
    // walked again, since a TLB keeps no more than that something is absent
    const result = walker.walk(vpn)
    const reason = reasonOf(result)
    const length = reason === 'out-of-memory' ? this.#pageBytes : this.#restOf(walker.pageShift, vpn)
    const gap = result === TABLE_UNREADABLE ? walker.tables.gap : undefined
    this.lose(length - inPage, reason, gap)
  }

  /** The next `length` bytes, as far as the read goes, are absent. */
  lose(length: number, reason: AbsentReason, gap?: GapReason): void {
    const lost = Math.min(length, this.bytes.length - this.#done)
    if (lost <= 0) return
    const va = this.#va + BigInt(this.#done)
    const last = this.absent.at(-1)
    this.#done += lost
    if (
      last !== undefined &&
      last.reason === reason &&
      last.gap === gap &&
      last.va + BigInt(last.length) === va
    )
      this.absent[this.absent.length - 1] = { ...last, length: last.length + lost }
    else this.absent.push({ va, length: lost, reason, ...(gap !== undefined && { gap }) })
  }
}
