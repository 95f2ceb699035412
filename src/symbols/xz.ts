/** Decompressing .xz files (npm xz-decompress: XZ Embedded as WebAssembly), bounded in size. */
import { VmsiftError } from '../core/errors.js'

/** The first bytes of every .xz file. */
const MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])
/** The most that a symbol file may decompress to. */
const MAX_BYTES = 256 << 20

/** Whether the bytes are an .xz file. */
export function isXz(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte)
}

/**
 * The decompressed bytes; several streams one after the other are one file.
 * @throws VmsiftError `image-corrupt` when the file is broken, cut short, uses a filter beyond LZMA2, or is larger than `most` bytes.
 */
export async function decompressXz(bytes: Uint8Array, name: string, most = MAX_BYTES): Promise<Buffer> {
  const { default: xz } = await import('xz-decompress')
  const chunks: Uint8Array[] = []
  let total = 0
  try {
    const compressed = new Blob([new Uint8Array(bytes)]).stream()
    for await (const chunk of new xz.XzReadableStream(compressed)) {
      total += chunk.length
      if (total > most) break
      chunks.push(chunk.slice())
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new VmsiftError('image-corrupt', `can't decompress ${name}: ${why}; test it with xz --test`, {
      cause: error,
    })
  }
  if (total > most)
    throw new VmsiftError('image-corrupt', `${name} decompresses to more than ${most} bytes`, {
      detail: { most },
    })
  return Buffer.concat(chunks, total)
}
