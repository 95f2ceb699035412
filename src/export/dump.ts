/** Writes a target's memory to a file of another format. */
import type { Gap, PhysicalMemory } from '../core/memory.js'
import { AtomicFile, outputFailed } from './atomic-file.js'
import { type ElfFacts, ElfWriter } from './elf.js'
import { LimeWriter } from './lime.js'
import { type CopyOptions, copyMemory, type Finished, type MemoryWriter } from './memory-writer.js'
import { RawWriter } from './raw.js'
import { SparseFile } from './sparse-file.js'

export type DumpFormat = 'raw' | 'lime' | 'elf'

export interface DumpRequest extends CopyOptions {
  readonly path: string
  readonly format: DumpFormat
  /** Replace a file that is there already. */
  readonly replace: boolean
  readonly facts: ElfFacts
}

export interface DumpResult extends Finished {
  readonly gaps: readonly Gap[]
}

/**
 * Writes all memory, and gives the file its name once it is whole. Undefined when the signal aborted: then nothing
 * is left behind. The caller makes sure that `path` is not the source itself.
 * @throws VmsiftError `output-failed` when the file can't be written; nothing is left behind then either.
 */
export async function dumpMemory(
  memory: PhysicalMemory,
  request: DumpRequest,
): Promise<DumpResult | undefined> {
  await using file = await AtomicFile.create(request.path, request.replace)
  try {
    const writer = writerFor(request, new SparseFile(file.handle), memory)
    const gaps = await copyMemory(memory, writer, request)
    if (request.signal?.aborted === true) return undefined
    const finished = await writer.finish()
    await file.commit()
    return { ...finished, gaps }
  } catch (error) {
    // System calls on the output are the only ones made here; anything else is told as it is.
    throw isSystemError(error) ? outputFailed(request.path, error) : error
  }
}

function writerFor(request: DumpRequest, file: SparseFile, memory: PhysicalMemory): MemoryWriter {
  switch (request.format) {
    case 'raw':
      return new RawWriter(file, memory)
    case 'lime':
      return new LimeWriter(file)
    case 'elf':
      return new ElfWriter(file, memory, request.facts)
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
