import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AddressSpace, openAddressSpace } from '../../../src/paging/address-space.js'
import { CachedWalker } from '../../../src/paging/cached-walker.js'
import type { PagingMode } from '../../../src/paging/mode.js'
import { PAGING_MODES } from '../../../src/paging/modes.js'
import { FRAME_OUTSIDE, MAPPED } from '../../../src/paging/outcome.js'
import { Tlb } from '../../../src/paging/tlb.js'
import { vpnOf } from '../../../src/paging/translation.js'
import { naiveTranslate } from '../../reference/paging/naive-walker.js'
import { type RandomSpace, randomSpace, seeds } from './random-tables.js'

const RUNS = Number(process.env.PAGING_RUNS ?? 300)

function open(mode: PagingMode, { memory, root, upperRoot }: RandomSpace, linux: boolean): AddressSpace {
  return openAddressSpace(memory, {
    mode,
    dtb: root,
    kernelDtb: upperRoot,
    absent: linux ? 'linux-x86-64' : 'none',
  })
}

/** What both tell. */
function comparable(result: object): object {
  const {
    entry: _,
    name: __,
    swap: ___,
    gap: ____,
    contiguous: _____,
    ...rest
  } = result as Record<string, unknown>
  if (rest['kind'] === 'absent') delete rest['gpa']
  return rest
}

describe.each(PAGING_MODES)('$name', mode => {
  it.each([false, true])('agrees with a naive walker on random tables (linux entries: %s)', linux => {
    if (linux && mode.format !== 'x86-64') return
    let mapped = 0
    fc.assert(
      fc.property(seeds, seed => {
        const random = randomSpace(mode, seed)
        const space = open(mode, random, linux)
        for (const va of random.addresses) {
          const naive = naiveTranslate(random.memory, mode, space.dtb, space.kernelDtb, va, linux)
          const ours = space.translate(va)
          if (ours.kind === 'mapped') mapped++
          expect(comparable(ours), `va ${va.toString(16)}`).toEqual(naive)
          expect(comparable(space.walk(va).translation), 'with levels').toEqual(naive)
        }
      }),
      { numRuns: RUNS },
    )
    // the tables lead somewhere often enough for the comparison to mean something
    expect(mapped).toBeGreaterThan(RUNS)
  })

  it('translates many addresses as it does one', () => {
    fc.assert(
      fc.property(seeds, seed => {
        const random = randomSpace(mode, seed)
        const space = open(mode, random, false)
        const addresses = [...random.addresses, -1n, 1n << 64n]
        expect(space.translateMany(addresses)).toEqual(addresses.map(va => space.translate(va)))
      }),
      { numRuns: RUNS / 3 },
    )
  })

  it('gives the same through a small TLB, however often and whatever was flushed', () => {
    fc.assert(
      fc.property(seeds, seed => {
        const random = randomSpace(mode, seed)
        const plain = open(mode, random, false)
        const cached = new CachedWalker(
          open(mode, random, false).walker,
          new Tlb(mode, { entries: 16, largeEntries: 4 }),
        )
        for (let round = 0; round < 3; round++) {
          const swap = round === 1
          const [lower, upper] = swap ? [plain.kernelDtb, plain.dtb] : [plain.dtb, plain.kernelDtb]
          cached.use(lower, upper)
          const walker = open(mode, random, false).walker
          walker.use(lower, upper)
          for (const va of [...random.addresses, ...random.addresses]) {
            const vpn = vpnOf(mode, va)
            const result = walker.walk(vpn)
            expect(cached.find(vpn)).toBe(result)
            if (result !== MAPPED && result !== FRAME_OUTSIDE) continue
            expect([cached.gpa, cached.flags, cached.level]).toEqual([walker.gpa, walker.flags, walker.level])
          }
          if (round === 0 && seed % 2 === 0) cached.flush()
        }
        expect(cached.tlb.hits + cached.tlb.misses).toBeGreaterThan(0)
      }),
      { numRuns: RUNS / 3 },
    )
  })
})
