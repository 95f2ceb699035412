/** From bytes to an image: which format it is, or why it can't be read. */
import type { ByteSource } from '../core/bytes.js'
import { VmsiftError } from '../core/errors.js'
import { parseAvml } from './avml.js'
import { corrupt } from './corrupt.js'
import { parseCrashDump } from './crashdump.js'
import { isCrashDump } from './crashdump-header.js'
import { parseElf } from './elf.js'
import { flattenedSource, indexFlattened, unflattenExtents } from './flattened.js'
import type { Image, ImageFormat, ParseOptions } from './image.js'
import { parseKdump } from './kdump.js'
import { parseLime } from './lime.js'
import { AVML_MAGIC, LIME_MAGIC } from './range-header.js'
import { parseRaw } from './raw.js'
import { refuseKnown, SIGNATURE_BYTES } from './refusals.js'

const FLAT_SIGNATURE = 'makedumpfile\0\0\0\0'

/**
 * Parses the image that `source` holds. The format is told from the bytes; `options.format` overrides that, and `raw`
 * takes any bytes as they are. What is nothing known is raw.
 * @throws VmsiftError `target-empty`, `target-compressed`, `target-unsupported`, `image-corrupt`, or `bad-argument` for a
 * base that no image can have.
 */
export function parseImage(source: ByteSource, options: ParseOptions): Image {
  if (source.size === 0) throw new VmsiftError('target-empty', 'the file is empty')
  if (options.format === 'raw') return parseRaw(source, options)
  const head = Buffer.alloc(Math.min(SIGNATURE_BYTES, source.size))
  const got = source.read(0, head)
  const signature = head.subarray(0, got)
  if (isFlattened(signature)) return parseFlattened(source, options)
  const format = options.format ?? detect(signature)
  if (format === undefined) {
    refuseKnown(signature, options)
    return parseRaw(source, options)
  }
  return withoutBase(format, source, options)
}

/** The format whose magic a file starts with. */
function detect(head: Buffer): ImageFormat | undefined {
  const magic = head.length >= 4 ? head.readUInt32LE(0) : 0
  if (magic === LIME_MAGIC) return 'lime'
  if (magic === AVML_MAGIC) return 'avml'
  if (head.toString('latin1', 0, 4) === '\x7fELF') return 'elf'
  if (isCrashDump(head)) return 'crashdump'
  return head.toString('latin1', 0, 8) === 'KDUMP   ' ? 'kdump' : undefined
}

/** Formats that say themselves where their memory lies. */
function withoutBase(format: ImageFormat, source: ByteSource, options: ParseOptions): Image {
  if (options.base !== undefined && options.base !== 0)
    throw new VmsiftError('bad-argument', `a base is for raw files; ${format} says where its memory lies`, {
      detail: { base: options.base, format },
    })
  switch (format) {
    case 'lime':
      return parseLime(source)
    case 'avml':
      return parseAvml(source)
    case 'elf':
      requireMagic(source, '\x7fELF', 'ELF')
      return parseElf(source)
    case 'kdump':
      requireMagic(source, 'KDUMP   ', 'kdump')
      return parseKdump(source)
    case 'crashdump':
      return parseCrashDump(source)
    case 'raw':
      return parseRaw(source, options)
  }
}

function isFlattened(head: Buffer): boolean {
  return head.length >= 32 && head.toString('latin1', 0, FLAT_SIGNATURE.length) === FLAT_SIGNATURE
}

/** A flattened dump holds a kdump (makedumpfile -F, QEMU) or an ELF core (makedumpfile -E -F). */
function parseFlattened(source: ByteSource, options: ParseOptions): Image {
  const flat = indexFlattened(source)
  const view = flattenedSource(flat, source)
  const head = Buffer.alloc(8)
  const format = detect(head.subarray(0, view.read(0, head)))
  const image = parseInner(format, view, flat)
  if (options.format !== undefined && options.format !== image.format)
    throw new VmsiftError('bad-argument', `not ${options.format}: a flattened ${image.format} dump`)
  const warnings = flat.truncated
    ? [...image.warnings, 'the flattened dump has no end mark: it was cut short']
    : image.warnings
  if (image.storage.kind === 'blocks') return { ...image, warnings }
  const extents = unflattenExtents(image.storage.extents, flat, source.size)
  return { ...image, storage: { kind: 'direct', extents }, warnings }
}

function parseInner(
  format: ImageFormat | undefined,
  view: ByteSource,
  flat: ReturnType<typeof indexFlattened>,
): Image {
  if (format === 'kdump') return parseKdump(view, flat)
  if (format === 'elf') return parseElf(view)
  throw corrupt('flattened dump holds neither a kdump nor an ELF core', {
    records: flat.start.length,
    size: flat.size,
  })
}

function requireMagic(source: ByteSource, magic: string, format: string): void {
  const head = Buffer.alloc(magic.length)
  const got = source.read(0, head)
  if (head.toString('latin1', 0, got) !== magic)
    throw corrupt(`not ${format}: the file starts with 0x${head.toString('hex')}`)
}
