/**
 * ELF64 core files as QEMU's dump-guest-memory writes them: a PT_LOAD for each range with its physical address, and
 * the VMCOREINFO note where the source has one. crash reads the program headers right behind the ELF header, so room
 * is kept there for the ranges that the source tells beforehand; only if reading fails somewhere in the middle, and
 * makes more of them, does the table go to the end of the file. Layout: System V ABI, "Object Files".
 */
import { alignUp, PAGE_BYTES } from '../core/address.js'
import type { PhysicalMemory } from '../core/memory.js'
import type { Architecture } from '../formats/image.js'
import {
  elfHeader,
  HEADER_BYTES,
  NOTE,
  noteBytes,
  PROGRAM_BYTES,
  programHeader,
  SECTION_BYTES,
  sectionZero,
} from './elf-records.js'
import { FileRanges } from './file-ranges.js'
import type { Finished, MemoryWriter } from './memory-writer.js'
import type { SparseFile } from './sparse-file.js'

export interface ElfFacts {
  readonly architecture: Architecture | undefined
  readonly vmcoreinfo: string | undefined
}

/** What could not be read is in no segment. */
export class ElfWriter implements MemoryWriter {
  readonly #file: SparseFile
  readonly #facts: ElfFacts
  readonly #notes: Buffer
  readonly #planned: number
  readonly #ranges: FileRanges

  constructor(file: SparseFile, memory: PhysicalMemory, facts: ElfFacts) {
    this.#file = file
    this.#facts = facts
    this.#notes = facts.vmcoreinfo === undefined ? Buffer.alloc(0) : noteBytes('VMCOREINFO', facts.vmcoreinfo)
    this.#planned = countRanges(memory) + 1
    const headers = HEADER_BYTES + this.#planned * PROGRAM_BYTES + SECTION_BYTES + this.#notes.length
    // As in memory, modulo the page: a reader can map segments.
    this.#ranges = new FileRanges(headers, (end, gpa) => alignUp(end, PAGE_BYTES) + (gpa % PAGE_BYTES))
  }

  data(gpa: number, bytes: Uint8Array): Promise<void> {
    return this.#file.writeSparse(this.#ranges.add(gpa, bytes.length), bytes)
  }

  zeros(gpa: number, length: number): void {
    this.#ranges.add(gpa, length)
  }

  gap(): void {
    this.#ranges.split()
  }

  async finish(): Promise<Finished> {
    const ranges = this.#ranges.all
    const notesAt = HEADER_BYTES + this.#planned * PROGRAM_BYTES + SECTION_BYTES
    const table = [
      ...(this.#notes.length === 0 ? [] : [programHeader(NOTE, 0, this.#notes.length, notesAt)]),
      ...ranges.map(range => programHeader('load', range.gpa, range.length, range.offset)),
    ]
    const fits = table.length <= this.#planned
    const tableAt = fits ? HEADER_BYTES : alignUp(this.#ranges.end, 8)
    const tableBytes = table.length * PROGRAM_BYTES
    const fileBytes = fits ? this.#ranges.end : tableAt + tableBytes + SECTION_BYTES
    await this.#file.setLength(fileBytes)
    await this.#file.write(0, elfHeader(this.#facts.architecture, tableAt, table.length))
    await this.#file.write(tableAt, Buffer.concat([...table, sectionZero(table.length)]))
    await this.#file.write(notesAt, this.#notes)
    return { ranges: ranges.length, fileBytes }
  }
}

/** Ranges as far as the source knows without reading. */
function countRanges(memory: PhysicalMemory): number {
  let count = 0
  for (const run of memory.runs) {
    const end = run.gpa + run.length
    let joins = false
    for (let gpa = run.gpa; gpa < end; ) {
      const span = memory.spanAt(gpa, end - gpa)
      if (span.kind !== 'gap' && !joins) count++
      joins = span.kind !== 'gap'
      gpa += span.length
    }
  }
  return count
}
