/** Makes QEMU's flattened kdump a plain one, with its pages compressed harder. Layout: makedumpfile's diskdump_mod.h. */
import { inflateSync } from 'node:zlib'
import type { Deflate } from './deflate.js'

const FLAT_HEADER_BYTES = 4096
const DESCRIPTOR_BYTES = 24
const COMPRESSED_ZLIB = 1

/** Flattened records (big-endian offset and length, then data) put where they belong. */
export function unflatten(flat: Buffer): Buffer {
  const pieces: { readonly offset: number; readonly data: Buffer }[] = []
  let at = FLAT_HEADER_BYTES
  let size = 0
  for (;;) {
    const offset = Number(flat.readBigInt64BE(at))
    if (offset < 0) break
    const length = Number(flat.readBigInt64BE(at + 8))
    pieces.push({ offset, data: flat.subarray(at + 16, at + 16 + length) })
    size = Math.max(size, offset + length)
    at += 16 + length
  }
  const plain = Buffer.alloc(size)
  for (const { offset, data } of pieces) data.copy(plain, offset)
  return plain
}

/** The same dump with every page compressed by `deflate`; equal pages are stored once. */
export function repackKdump(dump: Buffer, deflate: Deflate): Buffer {
  const blockBytes = dump.readUInt32LE(428)
  const bitmapBlocks = dump.readUInt32LE(436)
  const bitmapAt = (1 + dump.readUInt32LE(432)) * blockBytes
  const descriptorsAt = bitmapAt + bitmapBlocks * blockBytes
  const dumped = dump.subarray(bitmapAt + (bitmapBlocks / 2) * blockBytes, descriptorsAt)
  const head = Buffer.from(dump.subarray(0, descriptorsAt + countBits(dumped) * DESCRIPTOR_BYTES))
  const pages: Buffer[] = []
  const places = new Map<string, { readonly offset: number; readonly size: number; readonly flags: number }>()
  let end = head.length
  for (let at = descriptorsAt; at < head.length; at += DESCRIPTOR_BYTES) {
    const page = readPage(dump, at, blockBytes)
    const key = page.toString('latin1')
    let place = places.get(key)
    if (place === undefined) {
      const small = deflate(page)
      const stored = small.length < page.length ? small : page
      place = { offset: end, size: stored.length, flags: stored === small ? COMPRESSED_ZLIB : 0 }
      places.set(key, place)
      pages.push(stored)
      end += stored.length
    }
    head.writeBigInt64LE(BigInt(place.offset), at)
    head.writeUInt32LE(place.size, at + 8)
    head.writeUInt32LE(place.flags, at + 12)
  }
  return Buffer.concat([head, ...pages])
}

function readPage(dump: Buffer, descriptor: number, blockBytes: number): Buffer {
  const offset = Number(dump.readBigInt64LE(descriptor))
  const data = dump.subarray(offset, offset + dump.readUInt32LE(descriptor + 8))
  const page = dump.readUInt32LE(descriptor + 12) & COMPRESSED_ZLIB ? inflateSync(data) : data
  if (page.length !== blockBytes) throw new Error(`page at ${offset} has ${page.length} bytes`)
  return page
}

function countBits(bytes: Uint8Array): number {
  let count = 0
  for (const byte of bytes) for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
