/**
 * Memory in which every pointer leads to a next one: an array of words, each the address of the word behind it, in a ring. Whatever
 * structure is read there has links that hold, lists that go on, and counts in the millions.
 */
import type { DemoGuest } from './demo-kernel.js'

const WORDS = 140_000

/** Writes the ring over memory of the guest that no structure uses, and gives the address of a word near its middle. */
export function hostileWords(guest: DemoGuest): bigint {
  const directMap = guest.structs.pointer(guest.symbol('page_offset_base')) ?? 0n
  const last = guest.memory.runs.reduce((one, other) => (other.length > one.length ? other : one))
  const gpa = Math.floor((last.gpa + last.length - WORDS * 8) / 4096) * 4096 - (8 << 20)
  const start = directMap + BigInt(gpa)
  const words = Buffer.alloc(WORDS * 8)
  for (let i = 0; i < WORDS; i++)
    words.writeBigUInt64LE(start + BigInt(8 * (i === WORDS - 1 ? 0 : i + 1)), i * 8)
  guest.write(start, words)
  return start + BigInt(8 * 4096)
}
