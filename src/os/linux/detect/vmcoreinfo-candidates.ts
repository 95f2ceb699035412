/** From VMCOREINFO to candidates: where the kernel says that its tables and its image lie. */

import type { PagingMode } from '../../../paging/mode.js'
import { aarch64Mode, pagingMode } from '../../../paging/modes.js'
import type { VmcoreInfo } from '../../../symbols/vmcoreinfo.js'
import type { Candidate } from './candidate.js'
import { modesFor, X86_64_KERNEL_MAP } from './modes.js'

/** i386 (CONFIG_PAGE_OFFSET): the kernel's image lies in the direct map. */
const I386_OFFSETS = [0xc000_0000n, 0xb000_0000n, 0x8000_0000n, 0x7800_0000n, 0x4000_0000n]

/** Candidates, the likeliest first; none proved yet. `bases` are where the memory may start. */
export function* vmcoreinfoCandidates(info: VmcoreInfo, bases: readonly number[]): Iterable<Candidate> {
  const top = info.symbol('init_top_pgt') ?? info.symbol('swapper_pg_dir')
  if (top === undefined) return
  for (const { mode, shift } of readings(info, top)) {
    const dtb = top - shift
    if (dtb < 0n || dtb >= 1n << 52n) continue
    // what the guest calls a gpa is right whatever the file's base: the base only moves the memory under it
    for (const base of bases) yield { mode, dtb: Number(dtb), shift, base }
  }
}

/** Width of the kernel's pointers, as its list heads tell. */
export function pointerBytesOf(info: VmcoreInfo): 4 | 8 {
  return info.size('list_head') === 8 ? 4 : 8
}

/** Which modes and distances the facts allow. */
function* readings(info: VmcoreInfo, top: bigint): Iterable<{ mode: PagingMode; shift: bigint }> {
  const voffset = info.number('kimage_voffset')
  if (voffset !== undefined) {
    for (const mode of armModes(info, top)) yield { mode, shift: BigInt.asUintN(64, voffset) }
    return
  }
  if (pointerBytesOf(info) === 4) {
    const pae = info.values.get('CONFIG_X86_PAE') === 'y'
    const told = modesFor(top, 4).filter(mode => (mode.architecture === 'i386-pae') === pae)
    for (const mode of told) for (const shift of I386_OFFSETS) yield { mode, shift }
    return
  }
  const physBase = info.number('phys_base')
  if (physBase === undefined || top < X86_64_KERNEL_MAP) return
  const shift = X86_64_KERNEL_MAP - BigInt.asIntN(64, physBase)
  const la57 = info.number('pgtable_l5_enabled')
  if (la57 !== 0n) yield { mode: pagingMode('x86_64-la57'), shift }
  if (la57 !== 1n) yield { mode: pagingMode('x86_64'), shift }
}

/** TCR_EL1.T1SZ says what is used, VA_BITS what the kernel was built for: with 52, a processor may do 48 or 47. */
function armModes(info: VmcoreInfo, top: bigint): PagingMode[] {
  const pageBytes = info.pageBytes
  if (pageBytes !== 4096 && pageBytes !== 16384 && pageBytes !== 65536) return []
  const t1sz = info.number('TCR_EL1_T1SZ')
  const used = t1sz === undefined ? info.number('VA_BITS') : 64n - t1sz
  if (used !== undefined && used >= 25n && used <= 52n)
    return [aarch64Mode({ granule: pageBytes, vaBits: Number(used) })]
  return modesFor(top, 8, 'aarch64').filter(mode => 2 ** mode.pageShift === pageBytes)
}
