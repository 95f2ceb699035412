/** Random numbers that are the same in every run: rule sets and images must not change between measurements. */

export interface Random {
  /** A whole number from 0 up to `limit`, exclusive. */
  below(limit: number): number
  /** One of `items`. */
  pick<T>(items: readonly T[]): T
  /** `length` characters out of `alphabet`. */
  text(length: number, alphabet?: string): string
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

/** Mulberry32: small, fast, and good enough to draw patterns. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    pick: items => items[below(items.length)]!,
    text: (length, alphabet = LETTERS) =>
      Array.from({ length }, () => alphabet[below(alphabet.length)]).join(''),
  }
}
