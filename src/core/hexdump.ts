/** Bytes as lines of address, hexadecimal and ASCII, as xxd prints them. */

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const ASCII: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
)

/** Bytes a line. */
export const LINE_BYTES = 16

const HEX_COLUMNS = LINE_BYTES * 2 + LINE_BYTES / 2 - 1

/**
 * Lines of up to 16 bytes, the first of them at `address`; each ends in a newline. Addresses are padded to `digits`
 * hexadecimal digits so that columns stand under each other.
 */
export function hexdump(bytes: Uint8Array, address: number | bigint, digits = 8, indent = ''): string {
  const first = BigInt(address)
  let text = ''
  for (let start = 0; start < bytes.length; start += LINE_BYTES) {
    const end = Math.min(start + LINE_BYTES, bytes.length)
    let columns = ''
    let ascii = ''
    for (let i = start; i < end; i++) {
      if (i > start && (i - start) % 2 === 0) columns += ' '
      const byte = bytes[i] as number
      columns += HEX[byte]
      ascii += ASCII[byte]
    }
    text += `${indent}0x${(first + BigInt(start)).toString(16).padStart(digits, '0')}: ${columns.padEnd(HEX_COLUMNS)}  ${ascii}\n`
  }
  return text
}
