/** Huge pages of the host, for as long as a test needs them. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB'
/** Pages beyond the pool: taken when they are used, given back when they are not. */
const LIMIT = `${POOL}/nr_overcommit_hugepages`
const PAGE_BYTES = 2 << 20

/** Lets programs have `bytes` of 2 MiB pages until the result is disposed; or says why not. */
export function allowHugePages(bytes: number): Disposable | { readonly missing: string } {
  if (!existsSync(LIMIT)) return { missing: 'this kernel has no huge pages of 2 MiB' }
  const before = readFileSync(LIMIT, 'utf8').trim()
  const pages = Math.ceil(bytes / PAGE_BYTES)
  if (Number(before) >= pages) return { [Symbol.dispose]: () => undefined }
  try {
    writeFileSync(LIMIT, String(pages))
  } catch {
    return { missing: `huge pages can't be had: ${LIMIT} can't be written` }
  }
  return { [Symbol.dispose]: () => writeFileSync(LIMIT, before) }
}

/** Pages that hold something now: those that are set aside for somebody don't count. */
export function hugePagesInUse(): number {
  const [all, free] = ['nr_hugepages', 'free_hugepages'].map(name =>
    Number(readFileSync(`${POOL}/${name}`, 'utf8')),
  )
  return (all as number) - (free as number)
}

/** A file system of huge pages, mounted until the result is disposed; or why there can be none. */
export function mountHugePages(): (Disposable & { readonly folder: string }) | { readonly missing: string } {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-huge-'))
  try {
    execFileSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', folder], { stdio: 'pipe' })
  } catch {
    rmdirSync(folder)
    return { missing: 'hugetlbfs can not be mounted' }
  }
  return {
    folder,
    [Symbol.dispose]() {
      execFileSync('umount', [folder])
      rmdirSync(folder)
    },
  }
}
