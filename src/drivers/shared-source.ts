/** The file behind a shared memory backend: mapped where it can't shrink, else copied. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { tryLibc } from '../ffi/libc.js'
import type { CopyRoom } from '../ffi/process-vm.js'
import { FileHoles } from './file-holes.js'
import { FileMap, SEALED } from './file-map.js'
import { readFully } from './file-source.js'
import type { LiveSource } from './live-source.js'

export interface SharedFileOptions {
  /** The coordinator's descriptor; the file is opened anew through it. */
  readonly fd: number
  readonly map: boolean
  readonly write: boolean
}

export class SharedSource implements LiveSource {
  readonly gone = false
  readonly #fd: number
  readonly #map: FileMap | undefined
  readonly #holes: FileHoles | undefined

  constructor({ fd, map, write }: SharedFileOptions) {
    this.#fd = openSync(`/proc/self/fd/${fd}`, write ? 'r+' : 'r')
    const libc = tryLibc()
    if (libc === undefined) return
    if (map) this.#map = new FileMap(libc, this.#fd, SEALED)
    this.#holes = new FileHoles(libc, this.#fd)
  }

  lend(place: number, length: number): Uint8Array | undefined {
    return this.#map?.view(place, length)
  }

  copy(place: number, { bytes }: CopyRoom, at: number, length: number): number {
    return readFully(this.#fd, bytes.subarray(at, at + length), place)
  }

  write(place: number, { bytes }: CopyRoom, length: number): number {
    let done = 0
    while (done < length) done += writeSync(this.#fd, bytes, done, length - done, place + done)
    return done
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
    closeSync(this.#fd)
  }
}
