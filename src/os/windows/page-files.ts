/** Page files by their numbers, as absent pages name them. */
import { StructReader } from '../struct/reader.js'
import type { WindowsKernel } from './kernel.js'
import { unicodeAt } from './strings.js'

/** A page file, or what stands for one. */
export interface PageFileName {
  readonly name: string
  /** The pages are held in memory, compressed (the store of Windows 10 and later); they are not read from there. */
  readonly compressed: boolean
}

/** Names of the process that holds compressed pages: a process of its own since 14393, System before. */
const STORE_PROCESS = /^MemCompression$/
/**
 * The store's number where a system has the usual page files: pagefile.sys 0, swapfile.sys 1 (MemProcFS, mm_win.c: `2` on a standard
 * system). For where the kernel's own array of them is not found.
 */
const STORE_NUMBER = 2
/** A number has four bits. */
export const PAGE_FILES = 16

/**
 * _MI_VISIBLE_PARTITION and _MMPAGING_FILE of 64-bit kernels: the same in the PDBs of six builds, 14393 to 22621 (one source: Volatility
 * 3's tables). 10240 is taken to be like them, and checked as all are.
 */
export const PAGING_FILE = {
  /** From the array of pointers back to how many there are. */
  count: 8,
  name: 0x60,
  flags: 0xcc,
  numberMask: 0xf,
  storeBit: 0x40,
} as const

/** All 16, whether there are such files or not. */
export function pageFileNames(
  kernel: WindowsKernel,
  processes: readonly { readonly name: string }[],
): PageFileName[] {
  const array = kernel.places.pagingFiles?.address
  const reader = new StructReader(kernel)
  const found = array === undefined ? undefined : reader.pointers(array, PAGE_FILES)
  const hasStore = processes.some(({ name }) => STORE_PROCESS.test(name))
  return Array.from({ length: PAGE_FILES }, (_, number): PageFileName => {
    const plain = `page file ${number}`
    if (found === undefined) {
      const compressed = number === STORE_NUMBER && hasStore
      return { name: compressed ? `${plain} (compressed memory)` : plain, compressed }
    }
    const file = found[number]
    if (file === undefined || file === 0n) return { name: plain, compressed: false }
    const flags = reader.bytes(file + BigInt(PAGING_FILE.flags), 1)?.[0] ?? 0
    if ((flags & PAGING_FILE.storeBit) !== 0)
      return { name: `${plain} (compressed memory)`, compressed: true }
    const path = unicodeAt(kernel.memory, file + BigInt(PAGING_FILE.name)) ?? ''
    const isPath = path !== '' && path.length <= MAX_PATH
    return { name: isPath ? `${plain} (${path})` : plain, compressed: false }
  })
}

const MAX_PATH = 260
