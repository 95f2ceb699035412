/** Mutations of a valid image, each from one seed, undone afterwards so that no case pays for a copy. */
import { seeded } from '../images/runs.js'

/** A stretch of an image where headers or tables lie: most mutations go there. */
export type HotSpot = readonly [start: number, length: number]

const INTERESTING = [
  0n,
  1n,
  7n,
  0x7fn,
  0xffn,
  0xfffn,
  0x1000n,
  0x10000n,
  0xffffn,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 51n,
  2n ** 52n - 4096n,
  2n ** 52n,
  2n ** 53n + 1n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 4096n,
  2n ** 64n - 1n,
]

/** Applies one to four mutations to `image` in place; returns the bytes to look at and how to put everything back. */
export function mutate(
  image: Buffer,
  hot: readonly HotSpot[],
  seed: number,
): { bytes: Buffer; undo: () => void } {
  const next = seeded(seed)
  const undo: [offset: number, bytes: Buffer][] = []
  let size = image.length
  const touch = (offset: number, length: number): Buffer => {
    const at = Math.min(offset, image.length - 1)
    const part = image.subarray(at, Math.min(image.length, at + length))
    undo.push([at, Buffer.from(part)])
    return part
  }
  const place = (): number => {
    const spot = hot[next() % hot.length]
    if (spot === undefined || next() % 8 === 0) return next() % image.length
    return spot[0] + (next() % spot[1])
  }
  for (let left = 1 + (next() % 4); left > 0; left--) {
    const kind = next() % 10
    if (kind === 0) size = next() % 2 === 0 ? next() % image.length : place()
    else if (kind <= 2) {
      const byte = touch(place(), 1)
      byte[0] = (byte[0] as number) ^ (1 << (next() % 8))
    } else if (kind === 3) {
      const part = touch(place(), 1 + (next() % 32))
      for (let i = 0; i < part.length; i++) part[i] = next()
    } else if (kind === 4) {
      const from = place()
      const copy = Buffer.from(image.subarray(from, from + 1 + (next() % 64)))
      touch(place(), copy.length).set(copy.subarray(0, 0))
      const [at] = undo.at(-1) as [number, Buffer]
      copy.copy(image, at, 0, Math.min(copy.length, image.length - at))
    } else {
      const width = [1, 2, 4, 8][next() % 4] as number
      const aligned = next() % 3 === 0 ? place() : Math.floor(place() / width) * width
      const part = touch(aligned, width)
      const pick = INTERESTING[next() % INTERESTING.length] as bigint
      const value = BigInt.asUintN(64, next() % 3 === 0 ? pick + BigInt(next() % 17) - 8n : pick)
      const bytes = Buffer.alloc(8)
      if (next() % 4 === 0) bytes.writeBigUInt64BE(value)
      else bytes.writeBigUInt64LE(value)
      bytes.copy(part, 0, next() % 4 === 0 ? 8 - width : 0)
    }
  }
  return {
    bytes: image.subarray(0, Math.min(size, image.length)),
    undo: () => {
      for (const [offset, bytes] of undo.reverse()) bytes.copy(image, offset)
    },
  }
}
