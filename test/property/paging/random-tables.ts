/** Random page tables, most of them nonsense: pointers to themselves, to nowhere, garbage, and some that lead somewhere. */
import fc from 'fast-check'
import type { PagingMode } from '../../../src/paging/mode.js'
import { PageTables } from '../../images/page-tables.js'
import { SparseMemory } from '../../images/page-tables-memory.js'
import { seeded } from '../../images/runs.js'

export interface RandomSpace {
  readonly memory: SparseMemory
  readonly root: number
  readonly upperRoot: number
  /** Addresses that go by way of entries which were written, and some that don't. */
  readonly addresses: readonly bigint[]
}

/** The seed of one space. */
export const seeds = fc.integer({ min: 0, max: 2 ** 31 })

export function randomSpace(mode: PagingMode, seed: number): RandomSpace {
  const next = seeded(seed)
  const pick = <T>(from: readonly T[]): T => from[next() % from.length]!
  const granule = 2 ** mode.pageShift
  // two runs and a hole, the second one beyond 4 GiB where frames can be there, and ending inside a page
  const second = mode.name === 'ia32' || mode.name === 'ia32-pse' ? granule * 64 : 2 ** 33
  const memory = new SparseMemory([
    { gpa: granule * 2, length: granule * 24 },
    { gpa: second, length: granule * 8 + (next() % 2) * 2048 },
  ])
  const tables = new PageTables(mode, memory, granule * 2)
  const frames = Array.from({ length: 24 }, (_, i) => granule * (2 + i)).concat(
    Array.from({ length: 9 }, (_, i) => second + granule * i),
  )
  const indices = mode.indexBits.map(width => {
    const count = 2 ** width
    const all = [next() % count, count - 1, 0, next() % count, count / 2, 1].map(index => index % count)
    // the paths through all levels are few enough to enumerate
    return all.slice(0, mode.indexBits.length > 4 ? 3 : mode.indexBits.length > 3 ? 4 : 6)
  })
  const last = mode.indexBits.length - 1
  const word = (): bigint => (BigInt(next()) << 32n) | BigInt(next())
  // frame n is made for tables of level n modulo their count; one in eight pointers goes anywhere
  const entry = (own: number): bigint => {
    const level = next() % 8 === 0 ? next() % (last + 1) : own
    const below = frames.filter((_, n) => n % (last + 1) === (level + 1) % (last + 1))
    const odd = next() % 8
    const frame = odd === 0 ? (next() % 2 ** 20) * granule : pick(odd === 1 ? frames : below)
    const upper = next() % 2 === 0
    const permissions = { writable: next() % 2 === 0, user: next() % 2 === 0, executable: next() % 2 === 0 }
    switch (next() % 24) {
      case 0:
        return 0n
      case 1:
        return word()
      case 2:
        // not present, but the rest stands
        return tables.pageEntry(frame, level, upper, permissions) & ~1n
      case 3:
        return (tables.pageEntry(frame, level, upper, permissions) & ~1n) | 0x100n
      case 4:
        return tables.pageEntry(frame, level, upper, permissions)
      case 5:
        return tables.tableEntry(frame, level) ^ (1n << BigInt(next() % 64))
      default:
        return level === last
          ? tables.pageEntry(frame, level, upper, permissions)
          : tables.tableEntry(frame, level)
    }
  }
  const width = mode.entryBytes === 4 ? 0xffff_ffffn : (1n << 64n) - 1n
  for (const [n, frame] of frames.entries())
    for (const all of indices)
      for (const index of all) {
        const at = frame + index * mode.entryBytes
        if (at < frame + granule) tables.write(at, entry(n % (last + 1)) & width)
      }
  if (next() % 4 === 0) memory.breakPage(pick(frames))
  const addresses = Array.from({ length: 24 }, () => {
    let va = 0n
    for (const [level, all] of indices.entries())
      va = (va << BigInt(mode.indexBits[level]!)) | BigInt(pick(all))
    va = (va << BigInt(mode.pageShift)) | BigInt(next() % granule)
    if (mode.canonical === 'unsigned') return next() % 16 === 0 ? va | (1n << 33n) : va
    if (mode.splitTables) return next() % 2 === 0 ? va : va | ((1n << 64n) - (1n << BigInt(mode.vaBits)))
    if (next() % 16 === 0) return va
    return BigInt.asUintN(64, BigInt.asIntN(mode.vaBits, va))
  })
  return {
    memory,
    root: frames[0]!,
    upperRoot: next() % 4 === 0 ? pick(frames) : frames[last + 1]!,
    addresses,
  }
}
