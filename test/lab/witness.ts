/** Reads what guest/witness.c tells: text files, lines about processes, runs of pages. */

/** Pages of one process whose frames follow each other, as /proc/PID/pagemap tells them. */
export interface PageRun {
  readonly pid: number
  /** Virtual page number of the first. */
  readonly page: number
  readonly count: number
  /** Frame number of the first; for a swapped page (`count` 1) pagemap's swap type and offset: `type + offset * 32`. */
  readonly frame: number
  readonly swapped: boolean
  /** Of a file, or shared anonymous memory. */
  readonly shared: boolean
  /** Mapped here and nowhere else. */
  readonly exclusive: boolean
}

export interface WitnessedProcess {
  readonly pid: number
  /** Text files by what follows `/proc/PID/`. */
  readonly files: ReadonlyMap<string, string>
  /** The other lines, split at the first blank. */
  readonly lines: readonly (readonly [key: string, value: string])[]
}

export interface Witnessed {
  readonly pageBytes: number
  /** Text files by path. */
  readonly files: ReadonlyMap<string, string>
  readonly processes: readonly WitnessedProcess[]
  readonly pages: readonly PageRun[]
}

/** Reads a whole report; unknown lines are left out. */
export function parseWitness(report: string): Witnessed {
  const files = new Map<string, string>()
  const processes: { pid: number; files: Map<string, string>; lines: [string, string][] }[] = []
  const pages: PageRun[] = []
  let pageBytes = 4096
  const lines = report.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const [key, value] = cut(lines[i] ?? '')
    const process = processes.at(-1)
    if (key === '@page-bytes') pageBytes = Number(value)
    else if (key === '@process') processes.push({ pid: Number(value), files: new Map(), lines: [] })
    else if (key === 'page') pages.push(parsePageRun(value))
    else if (key === '@file') {
      const end = lines.indexOf('@end', i)
      const text = lines.slice(i + 1, end).join('\n')
      if (process === undefined) files.set(value, text)
      else process.files.set(value.replace(`/proc/${process.pid}/`, ''), text)
      i = end
    } else process?.lines.push([key, value])
  }
  return { pageBytes, files, processes, pages }
}

function cut(line: string): [string, string] {
  const blank = line.indexOf(' ')
  return blank < 0 ? [line, ''] : [line.slice(0, blank), line.slice(blank + 1)]
}

/** Bits 63 (present), 62 (swapped), 61 (file or shared) and 56 (exclusive) of an entry: Documentation/admin-guide/mm/pagemap.rst. */
function parsePageRun(text: string): PageRun {
  const [pid, page = '', count = '', frame = '', flags = ''] = text.split(' ')
  const bits = Number.parseInt(flags, 16)
  return {
    pid: Number(pid),
    page: Number.parseInt(page, 16),
    count: Number.parseInt(count, 16),
    frame: Number.parseInt(frame, 16),
    swapped: (bits & 0x40) !== 0,
    shared: (bits & 0x20) !== 0,
    exclusive: (bits & 0x01) !== 0,
  }
}

/** Frame of a page by process, from the runs: undefined where it has none. */
export function frameLookup(pages: readonly PageRun[]): (pid: number, page: number) => number | undefined {
  const byPid = new Map<number, PageRun[]>()
  for (const run of pages) {
    const list = byPid.get(run.pid)
    if (list === undefined) byPid.set(run.pid, [run])
    else list.push(run)
  }
  return (pid, page) => {
    const run = byPid.get(pid)?.find(other => page >= other.page && page < other.page + other.count)
    return run === undefined || run.swapped ? undefined : run.frame + page - run.page
  }
}
