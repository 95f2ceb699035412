/** Writes a cpio archive in the "newc" form, which the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst). */

export interface CpioEntry {
  readonly path: string
  /** File type and permissions, as in `st_mode`. */
  readonly mode: number
  readonly data?: Uint8Array
  /** Device numbers of a node. */
  readonly device?: readonly [major: number, minor: number]
}

export const CPIO_DIRECTORY = 0o40755
export const CPIO_PROGRAM = 0o100755
export const CPIO_FILE = 0o100644
export const CPIO_CHARACTER_DEVICE = 0o20600

/** The archive's bytes. Entries keep their order: a folder goes before what it holds. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = []
  let inode = 1
  for (const entry of [...entries, { path: 'TRAILER!!!', mode: 0 }]) parts.push(...record(entry, inode++))
  return Buffer.concat(parts)
}

function record(entry: CpioEntry, inode: number): Uint8Array[] {
  const data = entry.data ?? new Uint8Array(0)
  const [major, minor] = entry.device ?? [0, 0]
  const name = Buffer.from(`${entry.path}\0`)
  const fields = [inode, entry.mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0]
  const header = `070701${fields.map(value => value.toString(16).padStart(8, '0')).join('')}`
  const head = padded(Buffer.concat([Buffer.from(header), name]))
  return [head, padded(data)]
}

function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % 4
  return rest === 0 ? bytes : Buffer.concat([bytes, new Uint8Array(4 - rest)])
}
