/** Which PDB an image was linked with: the CodeView record of its debug directory (PE/COFF specification, `RSDS`). */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import { type PeImage, presentBytes } from './image.js'

/** The symbol file's identity. */
export interface CodeView {
  /** File name without folders. */
  readonly pdb: string
  /** 32 upper case hexadecimal digits. */
  readonly guid: string
  readonly age: number
}

const ENTRY_BYTES = 28
const MAX_ENTRIES = 16
const TYPE_CODE_VIEW = 2
const MAX_RECORD_BYTES = 1024

/** The record; undefined where the image has none, or it is not in memory. */
export function readCodeView(memory: VirtualMemory, pe: PeImage): CodeView | undefined {
  if (pe.debug === undefined) return undefined
  const entries = Math.min(MAX_ENTRIES, Math.floor(pe.debug.bytes / ENTRY_BYTES))
  for (let i = 0; i < entries; i++) {
    const entry = presentBytes(memory, pe.base + BigInt(pe.debug.rva + i * ENTRY_BYTES), ENTRY_BYTES)
    if (entry === undefined || entry.readUInt32LE(12) !== TYPE_CODE_VIEW) continue
    const rva = entry.readUInt32LE(20)
    const length = Math.min(entry.readUInt32LE(16), MAX_RECORD_BYTES)
    if (length < 25 || rva === 0 || rva + length > pe.sizeBytes) continue
    const record = presentBytes(memory, pe.base + BigInt(rva), length)
    const found = record === undefined ? undefined : parseCodeView(record)
    if (found !== undefined) return found
  }
  return undefined
}

/** A record's bytes; undefined when they are none. */
export function parseCodeView(record: Buffer): CodeView | undefined {
  if (record.length < 25 || record.toString('latin1', 0, 4) !== 'RSDS') return undefined
  const end = record.indexOf(0, 24)
  const path = record.toString('latin1', 24, end < 0 ? record.length : end)
  const word = (at: number, bytes: number) =>
    record
      .readUIntLE(at, bytes)
      .toString(16)
      .padStart(bytes * 2, '0')
  const guid = word(4, 4) + word(8, 2) + word(10, 2) + record.toString('hex', 12, 20)
  return { pdb: path.replace(/^.*[\\/]/, ''), guid: guid.toUpperCase(), age: record.readUInt32LE(20) }
}
