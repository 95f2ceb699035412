/** Puts right what QEMU 7.2 leaves wrong in its ELF header, for makedumpfile refuses the file otherwise. */
import { open } from 'node:fs/promises'

const E_EHSIZE = 52
const E_PHENTSIZE = 54
const E_SHENTSIZE = 58

/** Sets the sizes of an ELF64 header's own parts to what the format says they are, in place. */
export async function mendElfHeader(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const value = new Uint8Array(2)
    const write = (size: number, at: number): Promise<unknown> => {
      new DataView(value.buffer).setUint16(0, size, true)
      return file.write(value, 0, 2, at)
    }
    await write(64, E_EHSIZE)
    await write(56, E_PHENTSIZE)
    await write(64, E_SHENTSIZE)
  } finally {
    await file.close()
  }
}
