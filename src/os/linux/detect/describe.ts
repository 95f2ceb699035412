/** From a kernel that was located to all that is told about it. */
import type { PhysicalMemory } from '../../../core/memory.js'
import type { AddressSpace } from '../../../paging/address-space.js'
import { findBtf, kernelBtfAt } from '../../../symbols/btf-search.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import { physicalReader } from '../../../symbols/kallsyms-search.js'
import type { VmcoreInfo } from '../../../symbols/vmcoreinfo.js'
import { sweep } from '../../search/sweep.js'
import { type Banner, findBanners, MAX_BANNER_BYTES, parseBanner } from './banner.js'
import { type Candidate, gpaOf, kernelSpace } from './candidate.js'
import { kaslrOffsetOf } from './kaslr.js'
import { imageStart } from './kernel-text.js'
import type { Located } from './located.js'
import { behind } from './near.js'
import type { BtfPlace, LinuxRecord } from './record.js'

/** No kernel's BTF is longer. */
const MAX_BTF_BYTES = 48 << 20

/** Undefined when nothing tells which kernel it is, or when there is neither banner nor symbol in its image. */
export function describe(memory: PhysicalMemory, located: Located): LinuxRecord | undefined {
  const { candidate, info, kallsyms } = located
  const symbols = kallsyms?.symbols ?? located.fileSymbols
  const space = kernelSpace(memory, candidate)
  const start = startOf(symbols, info)
  if (start === undefined) return undefined
  const kernelBase = start.address
  const banner = bannerOf(memory, candidate, space, kernelBase, symbols, info?.release)
  const release = banner?.release ?? info?.release
  // a VMCOREINFO alone, with nothing in the image to it, is no kernel
  if (release === undefined || (banner === undefined && symbols === undefined)) return undefined
  const btf = btfOf(memory, candidate, space, kernelBase, symbols)
  return {
    ...candidate,
    banner: banner?.text ?? '',
    bannerAddress: banner?.va ?? 0n,
    release,
    kernelBase,
    baseName: start.name,
    kaslrOffset: kaslrOffsetOf(candidate, kernelBase, symbols, info),
    ...(kallsyms !== undefined && { kallsyms: { tables: kallsyms.tables, count: kallsyms.symbols.size } }),
    ...(btf !== undefined && { btf }),
  }
}

function startOf(symbols: SymbolTable | undefined, info: VmcoreInfo | undefined) {
  const stext = info?.symbol('_stext')
  const told = stext === undefined ? undefined : ({ name: '_stext', address: stext } as const)
  return (symbols && imageStart(symbols)) ?? told
}

/** The banner, through the kernel's tables. */
function bannerOf(
  memory: PhysicalMemory,
  candidate: Candidate,
  space: AddressSpace,
  kernelBase: bigint,
  symbols: SymbolTable | undefined,
  release: string | undefined,
): (Banner & { readonly va: bigint }) | undefined {
  const va = symbols?.addressOf('linux_banner')
  if (va !== undefined) {
    const banner = parseBanner(space.read(va, MAX_BANNER_BYTES).bytes)
    return banner === undefined ? undefined : { ...banner, va }
  }
  // without a symbol: the first in the image that the tables map
  const start = Number(kernelBase - candidate.shift) - candidate.base
  for (const { gpa, banner } of findBanners(memory, behind(memory, start))) {
    const at = BigInt(gpa + candidate.base) + candidate.shift
    const mapped = gpaOf(space, at) === gpa + candidate.base
    if (mapped && (release === undefined || banner.release === release)) return { ...banner, va: at }
  }
  return undefined
}

/** Where the kernel's types lie: by symbol, else by search in the image. */
function btfOf(
  memory: PhysicalMemory,
  candidate: Candidate,
  space: AddressSpace,
  kernelBase: bigint,
  symbols: SymbolTable | undefined,
): BtfPlace | undefined {
  const start = symbols?.addressOf('__start_BTF')
  const stop = symbols?.addressOf('__stop_BTF')
  if (start !== undefined && stop !== undefined && stop > start && stop - start <= MAX_BTF_BYTES)
    return { va: start, length: Number(stop - start) }
  const image = Number(kernelBase - candidate.shift) - candidate.base
  const read = physicalReader(memory)
  let found: BtfPlace | undefined
  sweep(
    memory,
    (bytes, window) => {
      for (const { offset, length } of findBtf(bytes)) {
        const va = BigInt(window + offset + candidate.base) + candidate.shift
        if (length > MAX_BTF_BYTES || gpaOf(space, va) === undefined) continue
        if (kernelBtfAt(read, window + offset, length) === undefined) continue
        found = { va, length }
        return true
      }
      return false
    },
    { overlap: 256, ranges: behind(memory, image) },
  )
  return found
}
