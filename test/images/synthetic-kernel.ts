/**
 * A kernel that was never built: an image with a banner, symbol tables and page tables that map it, in any paging mode. All of it is
 * written by encoders of the tests' own.
 */
import type { PagingMode } from '../../src/paging/mode.js'
import { type KallsymsOptions, type WrittenSymbol, writeKallsyms } from './kallsyms.js'
import { PageTables } from './page-tables.js'
import { SparseMemory } from './page-tables-memory.js'

export interface SyntheticOptions {
  readonly mode: PagingMode
  /** Where RAM starts, and how much there is. */
  readonly ramStart?: number
  readonly ramBytes?: number
  /** Where the image starts, as gpa and as gva. */
  readonly imageGpa: number
  readonly imageVa: bigint
  /** Symbols of data as well (CONFIG_KALLSYMS_ALL). */
  readonly named?: boolean
  readonly addressing?: KallsymsOptions['addressing']
  /** Lines of VMCOREINFO beside those that every kernel has; no VMCOREINFO without. */
  readonly vmcoreinfo?: readonly string[]
  /** Memory to write into, beside what is there. */
  readonly memory?: SparseMemory
  /** gpa of the VMCOREINFO text. */
  readonly vmcoreinfoAt?: number
  /** No symbol tables at all. */
  readonly stripped?: boolean
}

export interface SyntheticKernel {
  readonly memory: SparseMemory
  /** gpa of the top table. */
  readonly dtb: number
  readonly symbols: readonly WrittenSymbol[]
  readonly release: string
}

const RELEASE = '9.8.7-synthetic'
export const SYNTHETIC_BANNER = `Linux version ${RELEASE} (who@where) (cc 1.0) #1 SMP Mon Nov 23 2026`
const IMAGE_BYTES = 0x40_0000
const BANNER_AT = 0x10_0000
const KALLSYMS_AT = 0x11_0000
const TABLES_AT = 0x30_0000
const FUNCTIONS = 2500

/** Builds it. */
export function syntheticKernel(options: SyntheticOptions): SyntheticKernel {
  const { mode, ramStart = 0, ramBytes = 32 << 20, imageGpa, imageVa } = options
  const memory = options.memory ?? new SparseMemory([{ gpa: ramStart, length: ramBytes }])
  const tables = new PageTables(mode, memory, imageGpa + TABLES_AT)
  const dtb = tables.upperRoot
  const page = 2 ** mode.pageShift
  for (let at = 0; at < IMAGE_BYTES; at += page)
    tables.map(imageVa + BigInt(at), imageGpa + at, { user: false })
  // something of the direct map, so that the kernel's table has more than one entry
  if (mode.canonical === 'signed')
    for (let at = 0; at < 16; at++) tables.map(mode.kernelStart + BigInt(at * page), ramStart + at * page)
  memory.write(imageGpa + BANNER_AT, Buffer.from(`${SYNTHETIC_BANNER}\n\0`))
  const symbols = symbolsOf(options, BigInt(dtb - imageGpa))
  const lines = [...(options.vmcoreinfo ?? [])]
  if (options.stripped !== true) {
    const written = writeKallsyms(symbols, {
      pointerBytes: mode.vaBits === 32 ? 4 : 8,
      addressing: options.addressing ?? 'base-relative',
      addressesFirst: options.addressing !== 'self-relative',
      base: imageVa + BigInt(KALLSYMS_AT),
    })
    memory.write(imageGpa + KALLSYMS_AT, written.bytes)
  }
  if (options.vmcoreinfo !== undefined) {
    const hex = (va: bigint) => va.toString(16)
    const text = [
      `OSRELEASE=${RELEASE}`,
      `PAGESIZE=${page}`,
      `SYMBOL(swapper_pg_dir)=${hex(imageVa + BigInt(dtb - imageGpa))}`,
      `SYMBOL(_stext)=${hex(imageVa)}`,
      `SIZE(list_head)=${mode.vaBits === 32 ? 8 : 16}`,
      ...lines,
    ].join('\n')
    memory.write(options.vmcoreinfoAt ?? ramStart + 0x8000, Buffer.from(`${text}\n\0`))
  }
  return { memory, dtb, symbols, release: RELEASE }
}

function symbolsOf({ imageVa, named, mode }: SyntheticOptions, topAt: bigint): WrittenSymbol[] {
  const known = ['_stext', 'schedule', 'vprintk_default', '_printk', 'do_exit', 'vfs_read', 'kfree']
  const symbols: WrittenSymbol[] = known.map((name, i) => ({
    name,
    type: 'T',
    address: imageVa + BigInt(i * 0x1000),
  }))
  for (let i = 0; i < FUNCTIONS; i++)
    symbols.push({
      name: `some_function_${i % 7}_of_${i}`,
      type: 't',
      address: imageVa + 0x8000n + BigInt(i * 32),
    })
  if (named === true) {
    const top = mode.architecture.startsWith('x86_64') ? 'init_top_pgt' : 'swapper_pg_dir'
    symbols.push({ name: 'linux_banner', type: 'D', address: imageVa + BigInt(BANNER_AT) })
    symbols.push({ name: top, type: 'D', address: imageVa + topAt })
  }
  return symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
}
