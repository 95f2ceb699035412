/** How the parsers of this folder get at a guest's bytes, wherever they lie. */
import type { VirtualMemory } from '../core/virtual-memory.js'

/**
 * Exactly `length` bytes at an address (a gpa as number, a gva as bigint), or undefined when any of them is absent.
 * What it gives may die at the next call.
 */
export type ReadAt<A extends number | bigint> = (address: A, length: number) => Uint8Array | undefined

/** The most bytes one read asks for: what `VirtualMemory.read` and `PhysicalMemory.window` allow. */
export const MAX_READ_BYTES = 64 << 20

/** Reads of virtual memory that are all there, or nothing. */
export function virtualReader(memory: VirtualMemory): ReadAt<bigint> {
  return (va, length) => {
    if (length > MAX_READ_BYTES) return undefined
    const { bytes, absent } = memory.read(va, length)
    return absent.length === 0 ? bytes : undefined
  }
}

/** Reads of bytes already at hand that stand for an address range from `base` on. */
export function bytesReader(bytes: Uint8Array, base = 0): ReadAt<number> {
  return (address, length) => {
    const start = address - base
    if (start < 0 || start + length > bytes.length) return undefined
    return bytes.subarray(start, start + length)
  }
}

/** A DataView over the bytes' own window. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** `value` rounded up to a multiple of `unit`. */
export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

/** `value` rounded down to a multiple of `unit`. */
export function alignDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit
}
