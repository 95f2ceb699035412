/** Random symbols as kernels have them: sorted, many at one address, absolute ones first. */
import fc from 'fast-check'
import type { WrittenSymbol } from '../../images/kallsyms.js'
import { seeded } from '../../images/runs.js'

const TYPES = ['t', 'T', 'd', 'D', 'r', 'b', 'W', 'A', '?'] as const
const WORDS = ['alloc', 'free', 'init', 'task', 'page', '__', 'sys_', 'vfs', 'Net', '.cold', '$x', '0', 'x86']

/** `perCpu`: how many of them have small absolute addresses. */
export function symbolsAt(base: bigint, perCpu: number): fc.Arbitrary<WrittenSymbol[]> {
  return fc.nat().map(seed => {
    const next = seeded(seed)
    let address = 0n
    return Array.from({ length: 520 + (next() % 300) }, (_, i) => {
      if (i === perCpu) address = base
      else if (next() % 8 !== 0) address += BigInt(next() % 500)
      // One in 64 is as long as those of Rust: its length takes two bytes.
      const words = next() % 64 === 0 ? 120 : 1 + (next() % 5)
      const name = Array.from({ length: words }, () => WORDS[next() % WORDS.length]).join('')
      return { name: `${name}_${next() % 100}`, type: TYPES[next() % TYPES.length] as string, address }
    })
  })
}
