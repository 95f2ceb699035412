/**
 * Symbols that the kernel exports to modules: `__ksymtab` (include/linux/export.h, kernel/module). The table names data too
 * (`init_task`, `init_pid_ns`, `init_net`, ...), also where kallsyms holds functions only.
 */
import { findInImage, type ImagePart, inImage, wordsOf } from './image.js'
import type { Place, PlaceReader } from './reader.js'

/** How an entry is laid out. */
interface EntryForm {
  /** Value and name are distances from the field itself (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS), not addresses. */
  readonly relative: boolean
  readonly strideBytes: number
}

/** A name that every kernel with modules exports. */
const ANCHOR = 'init_task'
const MAX_EXPORTS = 65_536
const MAX_NAME_BYTES = 96
const MAX_ANCHORS = 16
/** Entries that must decode around the anchor before a table is believed. */
const MIN_EXPORTS = 64

/** Exported symbols that lie in the kernel's image, by name; empty when no table was found. */
export function readExports(reader: PlaceReader, parts: readonly ImagePart[]): ReadonlyMap<string, Place> {
  const width = reader.pointerBytes
  const forms: EntryForm[] = [
    { relative: true, strideBytes: 12 },
    { relative: true, strideBytes: 8 },
    { relative: false, strideBytes: 3 * width },
    { relative: false, strideBytes: 2 * width },
  ]
  for (const text of findInImage(parts, Buffer.from(`\0${ANCHOR}\0`), MAX_ANCHORS)) {
    for (const form of forms) {
      for (const field of nameFields(reader, parts, text + 1, form)) {
        const table = readAround(reader, parts, field, form)
        if (table.size >= MIN_EXPORTS && table.has(ANCHOR)) return table
      }
    }
  }
  return new Map()
}

/** Places of the fields that name the text at `text`. */
function nameFields(reader: PlaceReader, parts: readonly ImagePart[], text: Place, form: EntryForm): Place[] {
  if (form.relative) return relativeFields(parts, text)
  const needle = Buffer.alloc(reader.pointerBytes)
  if (reader.pointerBytes === 8) needle.writeBigUInt64LE(reader.address(text))
  else needle.writeUInt32LE(text)
  return findInImage(parts, needle, MAX_ANCHORS).filter(at => at % reader.pointerBytes === 0)
}

function relativeFields(parts: readonly ImagePart[], text: Place): Place[] {
  const found: Place[] = []
  for (const part of parts) {
    const { at } = part
    const words = wordsOf(part)
    const distance = text - at
    for (let i = 0; i < words.length; i++) {
      if (words[i] !== distance - 4 * i) continue
      found.push(at + 4 * i)
      if (found.length >= MAX_ANCHORS) return found
    }
  }
  return found
}

/** The entries before and behind the one whose name field stands at `field`, as far as they decode. */
function readAround(
  reader: PlaceReader,
  parts: readonly ImagePart[],
  field: Place,
  form: EntryForm,
): Map<string, Place> {
  const found = new Map<string, Place>()
  const value = form.relative ? 4 : reader.pointerBytes
  for (const step of [form.strideBytes, -form.strideBytes]) {
    for (let at = step > 0 ? field : field + step; found.size < MAX_EXPORTS; at += step) {
      const nameAt = follow(reader, at, form)
      const target = follow(reader, at - value, form)
      if (nameAt === undefined || target === undefined || !inImage(parts, nameAt)) break
      const name = reader.text(nameAt, MAX_NAME_BYTES)
      if (name === undefined || !/^[A-Za-z_$.][\w$.]*$/.test(name)) break
      // values of per-CPU variables are offsets into their area, on some architectures
      if (inImage(parts, target)) found.set(name, target)
    }
  }
  return found
}

function follow(reader: PlaceReader, field: Place, form: EntryForm): Place | undefined {
  if (!form.relative) return reader.pointer(field)
  const distance = reader.u32(field)
  return distance === undefined ? undefined : field + (distance | 0)
}
