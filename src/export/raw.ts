/** Raw images: the file offset is the guest physical address, so that nothing has to be told to read them back. */
import type { PhysicalMemory } from '../core/memory.js'
import type { Finished, MemoryWriter } from './memory-writer.js'
import type { SparseFile } from './sparse-file.js'

/** Holes, zeros and what could not be read are holes in the file; a reader sees zeros there. */
export class RawWriter implements MemoryWriter {
  readonly #file: SparseFile
  readonly #memory: PhysicalMemory

  constructor(file: SparseFile, memory: PhysicalMemory) {
    this.#file = file
    this.#memory = memory
  }

  data(gpa: number, bytes: Uint8Array): Promise<void> {
    return this.#file.writeSparse(gpa, bytes)
  }

  zeros(): void {}

  gap(): void {}

  async finish(): Promise<Finished> {
    const last = this.#memory.runs.at(-1)
    const fileBytes = last === undefined ? 0 : last.gpa + last.length
    await this.#file.setLength(fileBytes)
    return { ranges: this.#memory.runs.length, fileBytes }
  }
}
