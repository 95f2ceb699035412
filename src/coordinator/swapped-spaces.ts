/** What swap holds of the spaces that are scanned: pages that memory has compressed, and slots of those that it has not. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MemoryRun } from '../core/memory.js'
import { totalBytes } from '../core/runs.js'
import type { LinuxKernel } from '../os/linux/kernel.js'
import { Swap, type SwapPlace } from '../os/linux/swap.js'
import type { PagingMode } from '../paging/mode.js'
import type { EnumeratedSpace } from '../space/enumerate.js'
import { type SpaceSwap, SwapIn } from '../space/swap-in.js'
import type { SwapSource } from '../space/swap-source.js'
import { swappedBase } from '../space/swapped-memory.js'

/** Brought back at most; of a small guest, so many times its memory. */
const MAX_BYTES = 2 ** 30
const MAX_RATIO = 8
/** What is not brought back after so long stays a gap. */
const MAX_MS = 20_000
/** Others get their turn after so long. */
const TURN_MS = 20

/** What was brought back, and by index of the space what swap holds of it. */
export interface SwappedSpaces {
  readonly swapIn: SwapIn
  readonly spaces: readonly SpaceSwap[]
}

/** The swap areas of a Linux guest as a source of pages. */
export function linuxSwap(swap: Swap): SwapSource {
  const byType = new Map<number, number>()
  const areas = swap.areas.map((area, index) => {
    byType.set(area.type, index)
    return { name: area.path ?? String(area.type), inMemory: swap.mayHold(area) }
  })
  return {
    areas,
    learn: entries => swap.learn(entries),
    place: entry => {
      const place = swap.place(entry)
      const area = place === undefined ? undefined : byType.get(place.area.type)
      return place === undefined || area === undefined ? undefined : { area, slot: place.offset }
    },
    page: ({ area, slot }) => {
      const place: SwapPlace | undefined =
        swap.areas[area] === undefined ? undefined : { area: swap.areas[area], offset: slot }
      return place === undefined ? undefined : swap.pageAt(place).bytes
    },
  }
}

/** Brings back what can be had; undefined when nothing is swapped out. `memory` are the guest's runs. */
export async function bringBack(
  open: () => SwapSource,
  found: readonly EnumeratedSpace[],
  mode: PagingMode,
  memory: readonly MemoryRun[],
  cancelled: () => boolean,
): Promise<SwappedSpaces | undefined> {
  if (found.every(({ absent }) => absent.swapped.vpn.length === 0)) return undefined
  const options = {
    gpa: swappedBase(memory),
    pageBytes: 2 ** mode.pageShift,
    maxBytes: Math.min(MAX_BYTES, totalBytes(memory) * MAX_RATIO),
    maxMs: MAX_MS,
  }
  const parts = found.map(({ absent }) => absent)
  const swapIn = new SwapIn(open(), parts, options)
  const spaces: SpaceSwap[] = []
  let turn = performance.now()
  for (const absent of parts) {
    const steps = swapIn.take(absent)
    for (;;) {
      const step = steps.next()
      if (step.done === true) {
        spaces.push(step.value)
        break
      }
      if (cancelled()) return undefined
      if (performance.now() - turn < TURN_MS) continue
      await nextTurn()
      turn = performance.now()
    }
  }
  return { swapIn, spaces }
}

/** Opens the swap of a guest when it is needed. */
export function swapOpener(
  kernel: LinuxKernel,
  memory: ConstructorParameters<typeof Swap>[1],
): () => SwapSource {
  return () => linuxSwap(new Swap(kernel, memory))
}
