/** Page files by their numbers, as absent pages name them. */

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
 * system).
 */
const STORE_NUMBER = 2
/** A number has four bits. */
export const PAGE_FILES = 16

/** The page file of that number. */
export function pageFileName(number: number, processes: readonly { readonly name: string }[]): PageFileName {
  const compressed = number === STORE_NUMBER && processes.some(({ name }) => STORE_PROCESS.test(name))
  return { name: compressed ? `page file ${number} (compressed memory)` : `page file ${number}`, compressed }
}
