/** QEMU's own memory, copied out of its process. */
import { closeSync, openSync, readSync } from 'node:fs'
import { tolerant } from '../core/tolerant.js'
import type { CopyRoom, ProcessVm } from '../ffi/process-vm.js'
import { isRunning, type ProcessId } from '../qemu/processes.js'
import type { LiveSource } from './live-source.js'
import { PageMap } from './page-map.js'

export class ProcessSource implements LiveSource {
  readonly #vm: ProcessVm
  readonly #pid: number
  /** Any of its files: once the process is gone the kernel refuses to read it, even if another process has the number. */
  #mark: number
  readonly #byte = Buffer.alloc(1)
  readonly #pages: PageMap | undefined
  #gone = false

  /** `sparse`: asks the kernel which pages were never touched. */
  constructor(vm: ProcessVm, process: ProcessId, sparse: boolean) {
    this.#vm = vm
    this.#pid = process.pid
    this.#mark = openMark(process.pid)
    this.#gone = this.#mark < 0 || !isRunning(process)
    if (sparse && !this.#gone) this.#pages = PageMap.open(process.pid)
  }

  get gone(): boolean {
    return this.#gone
  }

  lend(): undefined {
    return undefined
  }

  copy(place: number, room: CopyRoom, at: number, length: number): number {
    if (this.#gone) return 0
    const got = this.#vm.read(this.#pid, place, room, at, length)
    return this.#sameProcess() ? got : 0
  }

  write(place: number, room: CopyRoom, length: number): number {
    // asked before: what was written can't be taken back
    if (this.#gone || !this.#sameProcess()) return 0
    return this.#vm.write(this.#pid, place, room, 0, length)
  }

  zerosAt(place: number, limit: number): number {
    return this.#pages?.zerosAt(place, limit) ?? 0
  }

  dataAt(place: number, limit: number): number {
    return this.#pages?.dataAt(place, limit) ?? limit
  }

  /** While the process is there nobody else can have its number; so asked after a copy, it tells whose bytes they are. */
  #sameProcess(): boolean {
    try {
      readSync(this.#mark, this.#byte, 0, 1, 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
      this.#gone = true
    }
    return !this.#gone
  }

  [Symbol.dispose](): void {
    this.#pages?.[Symbol.dispose]()
    if (this.#mark >= 0) closeSync(this.#mark)
    this.#mark = -1
    this.#gone = true
  }
}

function openMark(pid: number): number {
  return tolerant(() => openSync(`/proc/${pid}/comm`, 'r')) ?? -1
}
