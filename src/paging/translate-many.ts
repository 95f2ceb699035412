/**
 * Many addresses at once, level by level: at each level the entries are read in the order in which they lie in memory, so each
 * table is read once however the addresses are shuffled, also where memory is decompressed block by block.
 */
import { nonCanonical, pageOffset, type Translation, translationOf, vpnOf } from './translation.js'
import { STEP_TABLE, type Walker } from './walker.js'

/** In the order of `vas`. The walker must be set to the address space's tables. */
export function translateMany(walker: Walker, vas: readonly bigint[]): Translation[] {
  const { mode } = walker
  const results = new Array<Translation>(vas.length)
  const vpns = Float64Array.from(vas, va => vpnOf(mode, va))
  /** What each address still under way looks at next, and what the levels above it allow. */
  const entries = new Float64Array(vas.length)
  const tables = new Float64Array(vas.length)
  const flags = new Uint8Array(vas.length)
  let pending: number[] = []
  for (let i = 0; i < vas.length; i++) {
    const table = walker.begin(vpns[i] as number)
    if (table < 0) results[i] = nonCanonical(mode)
    else {
      tables[i] = table
      flags[i] = walker.flags
      pending.push(i)
    }
  }
  for (let level = 0; pending.length > 0; level++) {
    for (const i of pending)
      entries[i] = (tables[i] as number) + walker.indexAt(level, vpns[i] as number) * mode.entryBytes
    pending.sort((a, b) => (entries[a] as number) - (entries[b] as number))
    const next: number[] = []
    for (const i of pending) {
      const vpn = vpns[i] as number
      walker.begin(vpn)
      walker.flags = flags[i] as number
      const result = walker.step(level, entries[i] as number)
      if (result === STEP_TABLE) {
        tables[i] = walker.gpa
        flags[i] = walker.flags
        next.push(i)
      } else {
        const landed = walker.land(result, vpn, level)
        results[i] = translationOf(walker, landed, pageOffset(mode, vas[i] as bigint))
      }
    }
    pending = next
  }
  return results
}
