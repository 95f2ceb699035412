/** What every image writer takes: stretches of guest physical memory with their bytes. */

export interface ImageRun {
  readonly gpa: number
  readonly bytes: Uint8Array
}

/** A seeded generator (mulberry32): the same seed gives the same numbers everywhere. 0 ≤ n < 2^32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
}

/** Memory-like bytes, page by page: zeros, one repeated byte, text, random, and mixtures of them. */
export function memoryBytes(length: number, seed: number): Buffer {
  const next = seeded(seed)
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 4096) {
    const page = bytes.subarray(at, Math.min(length, at + 4096))
    const kind = next() % 6
    if (kind === 1) page.fill(next() & 255)
    else if (kind === 2) page.write(`page at ${at} seed ${seed} `.repeat(64))
    else if (kind >= 3) {
      const filled = kind === 3 ? page.length : next() % page.length
      for (let i = 0; i < filled; i++) page[i] = next() & 255
      page.fill(next() & 255, filled, Math.min(page.length, filled + (next() % 512)))
    }
  }
  return bytes
}

/** The page's number and seed at each page's start, so that no two pages are alike. */
export function numberedBytes(length: number, seed: number): Buffer {
  const bytes = memoryBytes(length, seed)
  for (let at = 0; at + 8 <= length; at += 4096) {
    bytes.writeUInt32LE(at / 4096, at)
    bytes.writeUInt32LE(seed, at + 4)
  }
  return bytes
}
