/**
 * Guest memory through QEMU's monitor, where nothing better is allowed: `pmemsave` into a file of ours, or what `xp` prints where QEMU
 * can't write there. Places are guest physical addresses.
 */
import { closeSync } from 'node:fs'
import type { CopyRoom } from '../ffi/process-vm.js'
import { executeBlocking } from '../qemu/blocking-qmp.js'
import { openSharedFile } from '../qemu/shared-folder.js'
import { readFully } from './file-source.js'
import type { LiveSource } from './live-source.js'

export interface MonitorPlace {
  readonly qmpPath: string
  /** Who may use it now: shared memory, see blocking-qmp.ts. */
  readonly turns: SharedArrayBuffer
  /** A folder of ours that QEMU can write to; undefined: it prints. */
  readonly folder?: string
}

/** Words of 8 bytes that are asked for in one `xp`: a page. */
const PRINTED_BYTES = 4096

export class MonitorSource implements LiveSource {
  readonly #place: MonitorPlace
  readonly #file: string | undefined
  #gone = false

  constructor(place: MonitorPlace, thread: number) {
    this.#place = place
    this.#file = place.folder === undefined ? undefined : `${place.folder}/${thread}`
  }

  get gone(): boolean {
    return this.#gone
  }

  lend(): undefined {
    return undefined
  }

  copy(place: number, room: CopyRoom, at: number, length: number): number {
    if (this.#gone) return 0
    const target = room.bytes.subarray(at, at + length)
    return this.#file === undefined ? this.#print(place, target) : this.#save(this.#file, place, target)
  }

  #save(path: string, val: number, target: Uint8Array): number {
    if (this.#ask('pmemsave', { val, size: target.length, filename: path }) === undefined) return 0
    const fd = openSharedFile(path)
    if (fd === undefined) return 0
    try {
      return readFully(fd, target, 0)
    } finally {
      closeSync(fd)
    }
  }

  #print(place: number, target: Uint8Array): number {
    // words are printed whole: from the one that holds the first byte
    const first = place - (place % 8)
    for (let done = 0; done < target.length; ) {
      const from = place + done
      const start = from - (from % 8)
      const bytes = Math.min(PRINTED_BYTES, Math.ceil((place + target.length - start) / 8) * 8)
      const line = `xp /${bytes / 8}gx 0x${start.toString(16)}`
      const text = this.#ask('human-monitor-command', { 'command-line': line })
      const words = typeof text === 'string' ? parseWords(text) : undefined
      if (words?.length !== bytes) return done
      const part = words.subarray(from - start, from - start + target.length - done)
      target.set(part, done)
      done += part.length
    }
    return first <= place ? target.length : 0
  }

  #ask(command: string, args: Readonly<Record<string, unknown>>): unknown {
    const { qmpPath, turns } = this.#place
    const answer = executeBlocking(qmpPath, turns, command, args)
    if (answer === undefined) this.#gone = true
    return answer
  }

  /** Writing is for those who may write to QEMU's memory. */
  write(): number {
    return 0
  }

  zerosAt(): number {
    return 0
  }

  dataAt(_place: number, limit: number): number {
    return limit
  }

  [Symbol.dispose](): void {
    this.#gone = true
  }
}

/** `0000000000001000: 0x0123456789abcdef 0x...`: 64-bit words, little-endian. */
function parseWords(text: string): Buffer {
  const words = [...text.matchAll(/ 0x([0-9a-f]{16})\b/g)]
  const bytes = Buffer.alloc(words.length * 8)
  for (const [index, [, digits]] of words.entries()) bytes.writeBigUInt64LE(BigInt(`0x${digits}`), index * 8)
  return bytes
}
