/** Extents of several lists, each frame once: where a list before has it, or this one at a lower address, it is left out. */
import { PAGE_BYTES } from '../core/address.js'
import type { ExtentColumns } from './extents.js'
import { GrowingDoubles } from './growing.js'

/** The lists without what they repeat, in the order in which they are given. */
export function eachFrameOnce(lists: readonly ExtentColumns[]): ExtentColumns[] {
  let highest = 0
  for (const { gpa, length } of lists)
    for (let i = 0; i < gpa.length; i++)
      highest = Math.max(highest, (gpa[i] as number) + (length[i] as number))
  const seen = new Uint8Array(Math.ceil(highest / PAGE_BYTES / 8) + 1)
  return lists.map(list => unseen(list, seen))
}

function unseen({ vpn, gpa, length }: ExtentColumns, seen: Uint8Array): ExtentColumns {
  const vpns = new GrowingDoubles()
  const gpas = new GrowingDoubles()
  const lengths = new GrowingDoubles()
  for (let i = 0; i < gpa.length; i++) {
    const bytes = length[i] as number
    let from = -1
    const close = (to: number): void => {
      if (from >= 0 && to > from) {
        vpns.push((vpn[i] as number) + from / PAGE_BYTES)
        gpas.push((gpa[i] as number) + from)
        lengths.push(to - from)
      }
      from = -1
    }
    for (let at = 0; at < bytes; at += PAGE_BYTES) {
      const frame = Math.floor(((gpa[i] as number) + at) / PAGE_BYTES)
      const byte = Math.floor(frame / 8)
      const bit = 1 << (frame % 8)
      if (((seen[byte] as number) & bit) !== 0) close(at)
      else {
        seen[byte] = (seen[byte] as number) | bit
        if (from < 0) from = at
      }
    }
    close(bytes)
  }
  return { vpn: vpns.view().slice(), gpa: gpas.view().slice(), length: lengths.view().slice() }
}
