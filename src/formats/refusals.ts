/** Files that must never be scanned as if they were raw memory: compressed ones, and formats not read here. */
import { createRequire } from 'node:module'
import { VmsiftError } from '../core/errors.js'
import type { ParseOptions } from './image.js'
import { AVML_MAGIC, LIME_MAGIC } from './range-header.js'

/** Bytes from the start of a file that `refuseKnown` looks at. */
export const SIGNATURE_BYTES = 4096

interface Signature {
  readonly name: string
  /** Bytes as latin1 text. */
  readonly magic: string
  readonly at?: number
}

/** Compressed files: how each is told, and the command that unpacks `FILE`. */
const COMPRESSED: readonly (Signature & { readonly unpack: string })[] = [
  { name: 'gzip', magic: '\x1f\x8b\x08', unpack: 'gzip -dc FILE > OUT' },
  { name: 'xz', magic: '\xfd7zXZ\0', unpack: 'xz -dc FILE > OUT' },
  { name: 'zstd', magic: '\x28\xb5\x2f\xfd', unpack: 'zstd -dc FILE > OUT' },
  { name: 'bzip2', magic: '1AY&SY', at: 4, unpack: 'bzip2 -dc FILE > OUT' },
  { name: 'lz4', magic: '\x04\x22\x4d\x18', unpack: 'lz4 -dc FILE > OUT' },
  { name: 'lz4', magic: '\x02\x21\x4c\x18', unpack: 'lz4 -dc FILE > OUT' },
  { name: 'lzop', magic: '\x89LZO\0\r\n\x1a\n', unpack: 'lzop -dc FILE > OUT' },
  { name: 'snappy', magic: '\xff\x06\0\0sNaPpY', unpack: 'snzip -dc FILE > OUT' },
  { name: 'zip', magic: 'PK\x03\x04', unpack: 'unzip FILE' },
  { name: '7z', magic: '7z\xbc\xaf\x27\x1c', unpack: '7z x FILE' },
]

/** What a packer adds to a name. */
const SUFFIX = /(?<=[^/])\.(gz|xz|zst|bz2|lz4|lzo|sz|zlib)$/

/** Formats known by name only; `advice` says what to do instead. */
const UNSUPPORTED: readonly (Signature & { readonly advice?: string })[] = [
  { name: 'Windows minidump', magic: 'MDMP' },
  ...['hibr', 'HIBR', 'wake', 'WAKE', 'RSTR', 'rstr'].map(magic => ({
    name: 'Windows hibernation file',
    magic,
  })),
  { name: 'diskdump', magic: 'DISKDUMP' },
  ...['\xd0\xbe\xd2\xbe', '\xd1\xba\xd1\xba', '\xd2\xbe\xd2\xbe', '\xd3\xbe\xd3\xbe'].map(magic => ({
    name: 'VMware suspend or snapshot state (vmss, vmsn)',
    magic,
    advice: 'the .vmem file beside it is the memory itself: scan that',
  })),
  { name: 'QEMU migration stream (savevm)', magic: 'QEVM', advice: 'use QMP dump-guest-memory instead' },
  ...['LibvirtQemudSave', 'LibvirtQemudPart'].map(magic => ({
    name: 'libvirt save file',
    magic,
    advice: 'use: virsh dump --memory-only DOMAIN FILE',
  })),
  { name: 'Xen save file', magic: 'LinuxGuestRecord', advice: 'scan the live domain instead' },
  {
    name: 'Xen save file',
    magic: '\xff\xff\xff\xff\xff\xff\xff\xffXENF',
    advice: 'scan the live domain instead',
  },
  {
    name: 'VirtualBox saved state',
    magic: '\x7fVirtualBox SavedState',
    advice: 'use: VBoxManage debugvm VM dumpvmcore',
  },
  { name: 'qcow2 disk image', magic: 'QFI\xfb' },
  { name: 'QED disk image', magic: 'QED\0' },
  { name: 'VMDK disk image', magic: 'KDMV' },
  { name: 'VMDK disk image', magic: 'COWD' },
  { name: 'VMDK disk image', magic: '# Disk DescriptorFile' },
  { name: 'VHDX disk image', magic: 'vhdxfile' },
  { name: 'VHD disk image', magic: 'conectix' },
  { name: 'VDI disk image', magic: '\x7f\x10\xda\xbe', at: 64 },
  { name: 'EnCase image', magic: 'EVF\x09\x0d\x0a\xff\0', advice: 'export it as raw: ewfexport -f raw FILE' },
  { name: 'HPAK image', magic: 'HPAK' },
]

/**
 * Refuses a file by its first bytes.
 * @throws VmsiftError `target-compressed` with the command that unpacks it, or `target-unsupported` with its name.
 */
export function refuseKnown(head: Buffer, options: ParseOptions): void {
  const name = options.name ?? 'FILE'
  const compressed = COMPRESSED.find(signature => matches(head, signature))
  if (compressed !== undefined) throw refuseCompressed(compressed.name, compressed.unpack, name)
  if (isDeflatedLime(head))
    throw refuseCompressed('zlib (LiME compress=1)', 'zlib-flate -uncompress < FILE > OUT', name)
  const unsupported = UNSUPPORTED.find(signature => matches(head, signature))
  if (unsupported === undefined) return
  const advice = unsupported.advice ?? 'if it is raw memory after all, give --input-format raw'
  throw new VmsiftError('target-unsupported', `${unsupported.name} is not supported; ${advice}`, {
    detail: { format: unsupported.name },
  })
}

function refuseCompressed(format: string, command: string, name: string): VmsiftError {
  const bare = name.replace(SUFFIX, '')
  const out = bare === name ? `${name}.raw` : bare
  const unpack = command.replace(/FILE|OUT/g, word => shellQuote(word === 'FILE' ? name : out))
  return new VmsiftError('target-compressed', `${format}-compressed file: unpack it first: ${unpack}`, {
    detail: { format, command: unpack },
  })
}

function matches(head: Buffer, { magic, at = 0 }: Signature): boolean {
  return head.length >= at + magic.length && head.toString('latin1', at, at + magic.length) === magic
}

/** LiME deflates its whole output when asked (src/deflate.c); only the plain text behind it tells it from memory. */
function isDeflatedLime(head: Buffer): boolean {
  if (head.length < 64 || (head.readUInt8(0) & 15) !== 8 || head.readUInt16BE(0) % 31 !== 0) return false
  const zlib = createRequire(import.meta.url)('node:zlib') as typeof import('node:zlib')
  try {
    const plain = zlib.inflateSync(head, {
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      maxOutputLength: 1 << 23,
    })
    const magic = plain.length >= 4 ? plain.readUInt32LE(0) : 0
    return magic === LIME_MAGIC || magic === AVML_MAGIC
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return false
  }
}

function shellQuote(name: string): string {
  return /^[\w./+@%:=-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`
}
