/** Stretches of kernel memory in which modules can lie, by what the page tables map: no list of the kernel's is asked. */
import type { PhysicalMemory } from '../../core/memory.js'
import type { Problems } from '../problem.js'
import type { LinuxKernel } from './kernel.js'
import type { LinuxModule } from './modules.js'
import { UserMemory } from './user-memory.js'
import type { VmapArea } from './vmap-areas.js'

/** `MODULES_END` of x86-64 (Documentation/arch/x86/x86_64/mm.rst). */
const X86_64_MODULES_END = 0xffff_ffff_ff00_0000n
/** How far from a known module others are looked for: aarch64 and 32-bit x86 keep theirs within 128 MiB. */
const NEIGHBOURHOOD = 128n << 20n
const MAX_AREAS = 2 ** 16

/**
 * Areas without a hole, between holes. Where no module is known, on x86-64 only.
 * @param known modules whose place tells where others may lie.
 */
export function moduleAreas(
  kernel: LinuxKernel,
  memory: PhysicalMemory,
  known: readonly LinuxModule[],
  problems: Problems,
): VmapArea[] {
  const region = moduleRegion(kernel, known)
  if (region === undefined) return []
  const extents = new UserMemory(kernel, memory).kernelSpace.extents(...region)
  if (extents.truncated) problems.add('cut', 'module areas: the page tables map more than can be')
  const areas: VmapArea[] = []
  let start = 0n
  let end = 0n
  const close = (): void => {
    if (end > start) areas.push({ start, bytes: Number(end - start), allocated: true })
  }
  for (const { va, length } of extents) {
    if (areas.length >= MAX_AREAS) break
    if (va !== end) {
      close()
      start = va
    }
    end = va + BigInt(length)
  }
  close()
  return areas
}

/** From where to where modules may lie. */
function moduleRegion(
  kernel: LinuxKernel,
  known: readonly LinuxModule[],
): readonly [from: bigint, to: bigint] | undefined {
  if (kernel.architecture === 'x86_64' || kernel.architecture === 'x86_64-la57') {
    const end = kernel.symbols.addressOf('_end') ?? kernel.symbols.addressOf('_etext')
    return end === undefined || end >= X86_64_MODULES_END ? undefined : [end, X86_64_MODULES_END]
  }
  const bases = known.map(({ base }) => base).filter(base => base !== 0n)
  if (bases.length === 0) return undefined
  const low = bases.reduce((one, other) => (other < one ? other : one))
  const high = bases.reduce((one, other) => (other > one ? other : one))
  const from = low > NEIGHBOURHOOD ? low - NEIGHBOURHOOD : 0n
  // bases that are far apart are no region
  return high - low > 8n * NEIGHBOURHOOD ? undefined : [from, high + NEIGHBOURHOOD]
}
