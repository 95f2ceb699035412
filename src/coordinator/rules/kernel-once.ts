/** The kernel maps the same frames at several addresses: a match of the same frames is told once. */
import { PAGE_BYTES } from '../../core/address.js'
import { OffsetColumns } from '../../rules/search/columns.js'
import { type LinearTable, linearExtentAt } from '../../space/linear-space.js'

/**
 * The matches of one string, each at the best address that maps its frames in its order: outside the direct map before inside, then the lowest.
 * `directDelta`: as in `KernelPlacing`.
 */
export function eachMatchOnce(
  columns: OffsetColumns,
  table: LinearTable,
  directDelta: number,
): OffsetColumns {
  const isDirect = (address: number): boolean => {
    const extent = linearExtentAt(table, address)
    return (table.vpn[extent] as number) - (table.gpa[extent] as number) / PAGE_BYTES === directDelta
  }
  /** Indices of the best, by what is the same of all. */
  const best = new Map<string, number>()
  for (let i = 0; i < columns.count; i++) {
    const key = framesOf(table, columns.offsetAt(i), columns.lengthAt(i))
    const known = best.get(key)
    // addresses ascend: only one outside the direct map is better
    if (known === undefined || (isDirect(columns.offsetAt(known)) && !isDirect(columns.offsetAt(i))))
      best.set(key, i)
  }
  const once = new OffsetColumns()
  for (const index of [...best.values()].sort((a, b) => a - b))
    once.push(columns.offsetAt(index), columns.lengthAt(index))
  return once
}

/** A match's bytes in memory: where they begin, where they go on elsewhere, and how many they are. */
function framesOf(table: LinearTable, start: number, bytes: number): string {
  const { address, gpa, length } = table
  let extent = linearExtentAt(table, start)
  let key = `${bytes}`
  let next = Number.NaN
  for (let at = start; at < start + bytes; extent++) {
    const into = at - (address[extent] as number)
    const here = (gpa[extent] as number) + into
    if (here !== next) key += ` ${at - start}:${here}`
    at = (address[extent] as number) + (length[extent] as number)
    next = (gpa[extent] as number) + (length[extent] as number)
  }
  return key
}
