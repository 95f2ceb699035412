/** A symbol file of the person's, brought to the guest's addresses. */
import { hex } from '../../../core/address.js'
import { VmsiftError } from '../../../core/errors.js'
import type { PhysicalMemory } from '../../../core/memory.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import type { SymbolFile } from '../../../symbols/load.js'
import { type Banner, findBanners } from './banner.js'
import type { Candidate } from './candidate.js'
import { movedSymbols } from './chained-tables.js'
import { findImageAddress } from './image-address.js'
import type { ReadyTables } from './kernel-tables.js'
import { imageStart, textAddresses, topTableAddress } from './kernel-text.js'
import type { LinuxRecord } from './record.js'

/** What lies below belongs to no image: sizes, per-CPU offsets. */
const LOWEST_IMAGE = 0x4000_0000n
/** Functions by which a file is checked against the guest's own symbols. */
const CHECKED = ['schedule', 'do_exit', 'vfs_read', 'kfree', 'start_kernel']

/**
 * The file's tables as the kernel uses them. `own` are the guest's own symbols, where it has any.
 * @throws VmsiftError `bad-argument` when the file is another kernel's.
 */
export function tablesOf(file: SymbolFile, record: LinuxRecord, own: SymbolTable | undefined): ReadyTables {
  if (file.banner !== undefined && record.banner !== '' && file.banner.trimEnd() !== record.banner)
    throw mismatch(record, `it is for: ${file.banner.slice(0, 200)}`)
  const types = file.types === undefined ? {} : { fileTypes: file.types }
  if (file.symbols === undefined) return types
  const start = file.symbols.addressOf(record.baseName)
  if (start === undefined) throw mismatch(record, `it has no ${record.baseName}`)
  const by = record.kernelBase - start
  const fileSymbols = movedSymbols(file.symbols, by, LOWEST_IMAGE)
  for (const name of own === undefined ? [] : CHECKED) {
    const [here, there] = [own?.addressOf(name), fileSymbols.addressOf(name)]
    if (here !== undefined && there !== undefined && here !== there)
      throw mismatch(record, `${name} would be at ${hex(there)}, and is at ${hex(here)}`)
  }
  return { ...types, fileSymbols }
}

function mismatch(record: LinuxRecord, why: string): VmsiftError {
  return new VmsiftError(
    'bad-argument',
    `the symbol file does not fit the guest's kernel ${record.release}: ${why}; give that of this very build`,
    { detail: { release: record.release } },
  )
}

/**
 * A kernel whose memory holds no symbols: the banner's text is in memory, its address in the file, and so is the top table's. Where the
 * tables then map the image tells how far KASLR moved it.
 */
export function* fileCandidates(
  memory: PhysicalMemory,
  symbols: SymbolTable,
  bases: readonly number[],
): Iterable<{ readonly candidate: Candidate; readonly banner: Banner; readonly symbols: SymbolTable }> {
  const [bannerVa, top, start] = [
    symbols.addressOf('linux_banner'),
    topTableAddress(symbols),
    imageStart(symbols)?.address,
  ]
  if (bannerVa === undefined || top === undefined || start === undefined) return
  for (const { gpa, banner } of findBanners(memory, memory.runs)) {
    for (const base of bases) {
      const place = (va: bigint) => Number(va - bannerVa) + gpa + base
      const image = { text: place(start), dtb: place(top), base }
      if (image.text < 0 || image.dtb < 0) continue
      const found = findImageAddress(memory, image, start < 1n << 32n ? 4 : 8)
      if (found === undefined) continue
      const by = found.shift + BigInt(image.text) - start
      yield { candidate: found, banner, symbols: movedSymbols(symbols, by, LOWEST_IMAGE) }
    }
  }
}

/** Addresses that must hold for a candidate out of a file. */
export function fileProofs(symbols: SymbolTable): bigint[] {
  return textAddresses(symbols)
}
