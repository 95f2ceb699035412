/** The kernel's direct map, found from its page tables: the one difference between addresses that maps most of memory. */
import { PAGE_BYTES } from '../core/address.js'
import type { ExtentColumns } from './extents.js'

/** The kernel's extents, told apart. */
export interface KernelExtents {
  readonly direct: ExtentColumns
  readonly other: ExtentColumns
}

/**
 * Tells the direct map from everything else that the kernel maps. It is the set of extents with one and the same difference between
 * virtual and physical page that holds the most bytes. A kernel with no extents has none.
 */
export function splitDirectMap(kernel: ExtentColumns): KernelExtents {
  const bytes = new Map<number, number>()
  let best = Number.NaN
  let most = 0
  for (let i = 0; i < kernel.vpn.length; i++) {
    const delta = deltaOf(kernel, i)
    const sum = (bytes.get(delta) ?? 0) + (kernel.length[i] as number)
    bytes.set(delta, sum)
    if (sum > most) {
      most = sum
      best = delta
    }
  }
  const isDirect = (index: number): boolean => deltaOf(kernel, index) === best
  return { direct: pick(kernel, isDirect), other: pick(kernel, index => !isDirect(index)) }
}

function deltaOf({ vpn, gpa }: ExtentColumns, index: number): number {
  return (vpn[index] as number) - (gpa[index] as number) / PAGE_BYTES
}

function pick({ vpn, gpa, length }: ExtentColumns, wanted: (index: number) => boolean): ExtentColumns {
  const taken = Uint32Array.from(vpn.keys()).filter(wanted)
  const column = (from: Float64Array): Float64Array =>
    Float64Array.from(taken, index => from[index] as number)
  return { vpn: column(vpn), gpa: column(gpa), length: column(length) }
}
