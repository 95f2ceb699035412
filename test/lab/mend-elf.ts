/** Rewrites the head of QEMU's ELF core as makedumpfile insists on having it. */
import { open } from 'node:fs/promises'

const EHDR_BYTES = 64
const PHDR_BYTES = 56
const SHDR_BYTES = 64

/**
 * In place: QEMU 7.2 writes 8 for the header's own size and puts section headers before the program headers;
 * makedumpfile checks the former and looks for the program headers right behind the file header. What a section header
 * told (only the name of itself) is lost.
 */
export async function mendElfHeader(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const header = Buffer.alloc(EHDR_BYTES)
    await file.read(header, 0, EHDR_BYTES, 0)
    const programHeaders = Buffer.alloc(header.readUInt16LE(56) * PHDR_BYTES)
    await file.read(programHeaders, 0, programHeaders.length, Number(header.readBigUInt64LE(32)))
    header.writeBigUInt64LE(BigInt(EHDR_BYTES), 32)
    header.writeBigUInt64LE(0n, 40)
    header.writeUInt16LE(EHDR_BYTES, 52)
    header.writeUInt16LE(PHDR_BYTES, 54)
    header.writeUInt16LE(SHDR_BYTES, 58)
    header.writeUInt32LE(0, 60)
    await file.write(Buffer.concat([header, programHeaders]), 0, undefined, 0)
  } finally {
    await file.close()
  }
}
