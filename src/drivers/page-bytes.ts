/** The size of this machine's pages. */
import { readFileSync } from 'node:fs'

/** Of the pairs that the kernel hands to every program (getauxval(3)). */
const AT_PAGESZ = 6n
let known: number | undefined

/** 4 KiB; 16 or 64 KiB on some arm64 machines. */
export function pageBytes(): number {
  known ??= fromAuxv() ?? 4096
  return known
}

function fromAuxv(): number | undefined {
  try {
    const pairs = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= pairs.length; at += 16)
      if (pairs.readBigUInt64LE(at) === AT_PAGESZ) return Number(pairs.readBigUInt64LE(at + 8))
  } catch (error) {
    // no /proc: what nearly every machine has
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  }
  return undefined
}
