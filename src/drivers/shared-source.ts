/** The file behind a shared memory backend: mapped where it can't shrink, else copied. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { MAP_ALIGN_BYTES, tryLibc } from '../ffi/libc.js'
import type { CopyRoom } from '../ffi/process-vm.js'
import { FileHoles } from './file-holes.js'
import { FileMap, SEALED } from './file-map.js'
import { readFully } from './file-source.js'
import type { LiveSource } from './live-source.js'
import { PageMap } from './page-map.js'
import type { HugePages } from './spec.js'

export interface SharedFileOptions {
  /** The coordinator's descriptor; the file is opened anew through it. */
  readonly fd: number
  readonly map: boolean
  readonly write: boolean
  readonly huge?: HugePages
}

export class SharedSource implements LiveSource {
  readonly gone = false
  readonly #fd: number
  readonly #huge: HugePages | undefined
  readonly #map: FileMap | undefined
  readonly #holes: FileHoles | undefined
  readonly #pages: PageMap | undefined

  constructor({ fd, map, write, huge }: SharedFileOptions) {
    this.#fd = openSync(`/proc/self/fd/${fd}`, write ? 'r+' : 'r')
    this.#huge = huge
    const libc = tryLibc()
    if (libc === undefined) return
    this.#holes = new FileHoles(libc, this.#fd)
    if (!map) return
    if (huge !== undefined) {
      this.#pages = PageMap.open(huge.pid)
      if (this.#pages === undefined) return
    }
    // of huge pages, blocks are pages
    const align = Math.max(MAP_ALIGN_BYTES, huge === undefined ? 0 : fstatSync(this.#fd).blksize)
    this.#map = new FileMap(libc, this.#fd, SEALED, { align })
  }

  lend(place: number, length: number): Uint8Array | undefined {
    return this.#isThere(place, length) ? this.#map?.view(place, length) : undefined
  }

  /** To show a huge page that nobody has touched would take it from the host's pool, and such files don't tell their holes: QEMU does. */
  #isThere(place: number, length: number): boolean {
    return this.#huge === undefined || this.#pages?.isThere(place + this.#huge.pointer, length) === true
  }

  copy(place: number, { bytes }: CopyRoom, at: number, length: number): number {
    return readFully(this.#fd, bytes.subarray(at, at + length), place)
  }

  write(place: number, { bytes }: CopyRoom, length: number): number {
    let done = 0
    while (done < length) done += writeSync(this.#fd, bytes, done, length - done, place + done)
    return done
  }

  endsBefore(place: number): boolean {
    return fstatSync(this.#fd).size <= place
  }

  zerosAt(place: number, limit: number): number {
    // the guest fills holes as it runs
    this.#holes?.forgetHole()
    return this.#holes?.holeAt(place, limit) ?? 0
  }

  dataAt(place: number, limit: number): number {
    return this.#holes?.dataAt(place, limit) ?? limit
  }

  [Symbol.dispose](): void {
    this.#map?.[Symbol.dispose]()
    this.#pages?.[Symbol.dispose]()
    closeSync(this.#fd)
  }
}
