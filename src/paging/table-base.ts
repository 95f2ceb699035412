/** Where the top table lies, out of what registers hold. */
import type { PagingMode } from './mode.js'

/**
 * gpa of the top table. A bigint is a register as the processor holds it: CR3 with PCID, no-flush and LAM bits (Intel SDM vol. 3A
 * 4.5.2), TTBRx_EL1 with ASID, CnP and, in 52-bit modes, address bits 48-51 in bits 2-5 (Arm ARM D23.2). A number is an address
 * already; bits below the table's alignment are flags there as well.
 */
export function tableBase(mode: PagingMode, dtb: bigint | number): number {
  if (mode.format === 'aarch64') return aarch64Base(mode, dtb)
  const value = BigInt(dtb)
  if (mode.name === 'pae') return Number(value & 0xffff_ffe0n)
  return Number(value & (mode.vaBits === 32 ? 0xffff_f000n : 0xf_ffff_ffff_f000n))
}

function aarch64Base(mode: PagingMode, dtb: bigint | number): number {
  const wide = mode.highBits !== 'none'
  // a table of few entries is aligned to its own size, at least to 64 bytes
  const align = 2 ** Math.max(6, Math.min(mode.indexBits[0] as number, mode.pageShift - 3) + 3)
  if (typeof dtb === 'number') return dtb - (dtb % (wide ? 64 : align))
  const low = Number(dtb & 0xffff_ffff_ffffn)
  const base = low - (low % (wide ? 64 : align))
  return wide ? base + Number((dtb >> 2n) & 0xfn) * 2 ** 48 : base
}

/** Linux's page table isolation on x86-64: the user's top table lies one page behind the kernel's, both in 8 KiB. */
const PTI_BIT = 0x1000

/** The two tables of a PTI pair, whichever of them `dtb` (without flags) is; only where PTI is on. */
export function ptiPair(dtb: number): { readonly kernel: number; readonly user: number } {
  const kernel = dtb - (dtb % (2 * PTI_BIT))
  return { kernel, user: kernel + PTI_BIT }
}
