/** What a process takes of the host's memory. */
import { readFile } from 'node:fs/promises'

/** Its pages in memory, in bytes (proc(5), smaps_rollup: the files behind shared mappings count too). */
export async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const [, kib] = /^Rss:\s+(\d+) kB$/m.exec(text) ?? []
  if (kib === undefined) throw new Error(`process ${pid} tells nothing of its memory`)
  return Number(kib) * 1024
}
