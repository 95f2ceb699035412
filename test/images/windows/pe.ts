/** Headers, export table and debug directory of a PE image as it lies in memory (Microsoft PE/COFF specification). */

export interface PeOptions {
  readonly bits: 32 | 64
  readonly machine: number
  readonly imageBytes: number
  readonly timestamp: number
  readonly dll?: boolean
  readonly checksum?: number
  readonly base?: bigint
  readonly sections: readonly PeSection[]
  readonly exports?: { readonly rva: number; readonly bytes: number }
  readonly debug?: { readonly rva: number; readonly bytes: number }
}

export interface PeSection {
  readonly name: string
  readonly rva: number
  readonly bytes: number
  /** Characteristics. */
  readonly flags: number
}

export const CODE = 0x6800_0020
export const DATA = 0xc800_0040
export const READ_ONLY = 0x4800_0040

/** The first page of an image. */
export function peHeaders(options: PeOptions): Buffer {
  const { bits, sections } = options
  const page = Buffer.alloc(4096)
  page.write('MZ', 0, 'latin1')
  const at = 0x100
  page.writeUInt32LE(at, 0x3c)
  page.write('This program cannot be run in DOS mode.\r\n$', 0x4e, 'latin1')
  page.write('PE\0\0', at, 'latin1')
  page.writeUInt16LE(options.machine, at + 4)
  page.writeUInt16LE(sections.length, at + 6)
  page.writeUInt32LE(options.timestamp, at + 8)
  const optional = at + 24
  const optionalBytes = bits === 64 ? 240 : 224
  page.writeUInt16LE(optionalBytes, at + 20)
  page.writeUInt16LE((options.dll === true ? 0x2000 : 0) | (bits === 64 ? 0x22 : 0x102), at + 22)
  page.writeUInt16LE(bits === 64 ? 0x20b : 0x10b, optional)
  page.writeUInt32LE(0x1000, optional + 16)
  if (bits === 64) page.writeBigUInt64LE(options.base ?? 0n, optional + 24)
  else page.writeUInt32LE(Number(options.base ?? 0n), optional + 28)
  page.writeUInt32LE(4096, optional + 32)
  page.writeUInt32LE(512, optional + 36)
  page.writeUInt32LE(options.imageBytes, optional + 56)
  page.writeUInt32LE(4096, optional + 60)
  page.writeUInt32LE(options.checksum ?? 0, optional + 64)
  page.writeUInt16LE(1, optional + 68)
  const directories = optional + (bits === 64 ? 112 : 96)
  page.writeUInt32LE(16, directories - 4)
  for (const [index, range] of [
    [0, options.exports],
    [6, options.debug],
  ] as const) {
    if (range === undefined) continue
    page.writeUInt32LE(range.rva, directories + index * 8)
    page.writeUInt32LE(range.bytes, directories + index * 8 + 4)
  }
  sections.forEach((section, i) => {
    const entry = optional + optionalBytes + i * 40
    page.write(section.name, entry, 8, 'latin1')
    page.writeUInt32LE(section.bytes, entry + 8)
    page.writeUInt32LE(section.rva, entry + 12)
    page.writeUInt32LE(section.bytes, entry + 16)
    page.writeUInt32LE(section.rva, entry + 20)
    page.writeUInt32LE(section.flags, entry + 36)
  })
  return page
}

/** An export directory at `rva`: names in order, ordinals from 1. */
export function exportTable(
  rva: number,
  name: string,
  symbols: ReadonlyMap<string, number>,
  timestamp: number,
): Buffer {
  const names = [...symbols.keys()].sort()
  // ordinals follow addresses, not names
  const order = [...names].sort((a, b) => (symbols.get(a) as number) - (symbols.get(b) as number))
  const functions = 40
  const pointers = functions + names.length * 4
  const ordinals = pointers + names.length * 4
  let text = ordinals + names.length * 2
  const total = text + name.length + 1 + names.reduce((sum, each) => sum + each.length + 1, 0)
  const table = Buffer.alloc(total)
  table.writeUInt32LE(timestamp, 4)
  const put = (string: string): number => {
    const at = text
    table.write(`${string}\0`, at, 'latin1')
    text += string.length + 1
    return rva + at
  }
  table.writeUInt32LE(put(name), 12)
  table.writeUInt32LE(1, 16)
  table.writeUInt32LE(names.length, 20)
  table.writeUInt32LE(names.length, 24)
  table.writeUInt32LE(rva + functions, 28)
  table.writeUInt32LE(rva + pointers, 32)
  table.writeUInt32LE(rva + ordinals, 36)
  for (const [i, each] of order.entries()) table.writeUInt32LE(symbols.get(each) as number, functions + i * 4)
  names.forEach((each, i) => {
    table.writeUInt32LE(put(each), pointers + i * 4)
    table.writeUInt16LE(order.indexOf(each), ordinals + i * 2)
  })
  return table
}

/** One IMAGE_DEBUG_DIRECTORY entry of CodeView at `rva`, and its RSDS record behind it. */
export function debugDirectory(
  rva: number,
  pdb: { name: string; guid: string; age: number },
  timestamp: number,
): Buffer {
  const record = Buffer.alloc(24 + pdb.name.length + 1)
  record.write('RSDS', 0, 'latin1')
  const guid = Buffer.from(pdb.guid, 'hex')
  // GUIDs are stored as one 32-bit and two 16-bit little-endian words, then bytes
  record.writeUInt32LE(guid.readUInt32BE(0), 4)
  record.writeUInt16LE(guid.readUInt16BE(4), 8)
  record.writeUInt16LE(guid.readUInt16BE(6), 10)
  record.set(guid.subarray(8), 12)
  record.writeUInt32LE(pdb.age, 20)
  record.write(`${pdb.name}\0`, 24, 'latin1')
  const entry = Buffer.alloc(28)
  entry.writeUInt32LE(timestamp, 4)
  entry.writeUInt32LE(2, 12)
  entry.writeUInt32LE(record.length, 16)
  entry.writeUInt32LE(rva + 28, 20)
  entry.writeUInt32LE(rva + 28, 24)
  return Buffer.concat([entry, record])
}
