/**
 * The debugger's data block (KDDEBUGGER_DATA64, wdbgexts.h): a header of two links, a tag and a size, then addresses of 64 bits on every
 * machine. 64-bit kernels since 6.2 keep it encoded (KdpDataBlockEncoded).
 */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import { type PeImage, presentBytes } from '../pe/image.js'

/** Offsets of what is read. */
export const BLOCK = {
  tag: 0x10,
  size: 0x14,
  kernelBase: 0x18,
  moduleHead: 0x48,
  processHead: 0x50,
  cidTable: 0x58,
  processors: 0x218,
} as const

export const KDBG_TAG = Buffer.from('KDBG', 'latin1')
const MIN_BYTES = 0x100
const MAX_BYTES = 0x1000
/** What is read and decoded of a block. */
const READ_BYTES = 0x220

/** A block of this kernel's, in the clear. */
export interface DebuggerBlock {
  readonly address: bigint
  /** As it is when it is decoded. */
  readonly bytes: Buffer
  readonly encoded: boolean
}

/** A quad word of the block as an address of the kernel's: 32-bit kernels extend the sign. */
export function blockAddress({ bytes }: Pick<DebuggerBlock, 'bytes'>, at: number, wide: boolean): bigint {
  const value = bytes.readBigUInt64LE(at)
  return wide ? value : value & 0xffff_ffffn
}

/** Whether the size is one of a block. */
export function isBlockSize(bytes: number): boolean {
  return bytes >= MIN_BYTES && bytes <= MAX_BYTES
}

/** The block at `address`, plain or encoded; undefined where none of this kernel's stands there. */
export function blockAt(memory: VirtualMemory, pe: PeImage, address: bigint): DebuggerBlock | undefined {
  const bytes = presentBytes(memory, address, READ_BYTES) ?? presentBytes(memory, address, MIN_BYTES)
  if (bytes === undefined) return undefined
  if (isPlain(bytes, pe)) return { address, bytes, encoded: false }
  const rotation = pe.bits === 64 ? rotationAt(wordsAt(bytes), 0, pe.base) : undefined
  if (rotation === undefined) return undefined
  const decoded = decode(bytes, rotation, pe.base)
  return isPlain(decoded, pe) ? { address, bytes: decoded, encoded: true } : undefined
}

function isPlain(bytes: Buffer, pe: PeImage): boolean {
  if (!bytes.subarray(BLOCK.tag, BLOCK.tag + 4).equals(KDBG_TAG)) return false
  if (!isBlockSize(bytes.readUInt32LE(BLOCK.size))) return false
  const address = (at: number) => blockAddress({ bytes }, at, pe.bits === 64)
  const [base, head] = [address(BLOCK.kernelBase), address(BLOCK.processHead)]
  const ours = head >= pe.base && head < pe.base + BigInt(pe.sizeBytes)
  // kernels that are not Microsoft's may leave the base out
  return base === pe.base || (base === 0n && ours)
}

/** Places in a piece of the kernel's data at which a block of this kernel's may start: offsets. */
export function* blockPlaces(bytes: Buffer, pe: PeImage, encoded: boolean): Generator<number> {
  for (let at = bytes.indexOf(KDBG_TAG); at >= 0; at = bytes.indexOf(KDBG_TAG, at + 1))
    if (at >= BLOCK.tag) yield at - BLOCK.tag
  if (!encoded) return
  const words = wordsAt(bytes)
  for (let word = 0; word + 8 <= words.length; word += 2)
    if (rotationAt(words, word, pe.base) !== undefined) yield word * 4
}

/** Bytes as words, a copy only where they don't lie at a word. */
function wordsAt(bytes: Buffer): Int32Array {
  const length = bytes.length >> 2
  if (bytes.byteOffset % 4 === 0) return new Int32Array(bytes.buffer, bytes.byteOffset, length)
  return new Int32Array(Uint8Array.from(bytes.subarray(0, length * 4)).buffer)
}

/**
 * How far the quad words of an encoded block that starts at `word` were rotated; undefined where none starts there.
 *
 * KdCopyDataBlock (disassembly in Volatility's win8_kdbg.py) decodes a quad word as `bswap(rol(q ^ KiWaitNever, KiWaitNever & 0xff) ^
 * &KdpDataBlockEncoded) ^ KiWaitAlways`, which for all keys together is `bswap(rol(q, n)) ^ k`: the difference of two quad words does
 * without `k`. The tag's quad word and the kernel's base are known, so `n` is found by trying, and with it `k`: no key has to be.
 */
function rotationAt(words: Int32Array, word: number, base: bigint): number | undefined {
  const low = (words[word + 4] as number) ^ (words[word + 6] as number)
  const high = (words[word + 5] as number) ^ (words[word + 7] as number)
  if ((low | high) === 0) return undefined
  // of the tag's quad word, all but some bits of the size is known
  const wantedHigh = swapped(TAG_WORD ^ Number(base & 0xffff_ffffn))
  const baseHigh = Number(base >> 32n)
  for (let n = 0; n < 64; n++) {
    const [a, b] = n < 32 ? [high, low] : [low, high]
    const by = n & 31
    const top = by === 0 ? a : (a << by) | (b >>> (32 - by))
    if (top !== wantedHigh) continue
    const bottom = by === 0 ? b : (b << by) | (a >>> (32 - by))
    if (isBlockSize((swapped(bottom) ^ baseHigh) >>> 0)) return n
  }
  return undefined
}

const TAG_WORD = KDBG_TAG.readInt32LE()

function swapped(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | ((word >>> 24) & 0xff)
}

/** The block in the clear: its base is the kernel's, which tells the rest of the key. */
function decode(bytes: Buffer, rotation: number, base: bigint): Buffer {
  const by = BigInt(rotation)
  const quad = (at: number): bigint => {
    const value = bytes.readBigUInt64LE(at)
    const rotated = Buffer.alloc(8)
    rotated.writeBigUInt64BE(BigInt.asUintN(64, (value << by) | (value >> (64n - by))))
    return rotated.readBigUInt64LE()
  }
  const key = quad(BLOCK.kernelBase) ^ base
  const decoded = Buffer.alloc(bytes.length & ~7)
  for (let at = 0; at + 8 <= bytes.length; at += 8) decoded.writeBigUInt64LE(quad(at) ^ key, at)
  return decoded
}
