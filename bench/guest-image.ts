/**
 * A guest whose processes map most of a memory image of real content: real page tables in its last megabytes, private memory in
 * scattered runs of pages, shared memory that every process maps.
 */
import { closeSync, copyFileSync, existsSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { FoundSpaces } from '../src/coordinator/guest-spaces.js'
import { pagingMode } from '../src/paging/modes.js'
import { benchDirectory, MIB, realImage } from './data.js'
import { seeded } from './random.js'

const PAGE = 4096
const VERSION = 1
const PRESENT_WRITABLE_USER = 7
const LARGE = 0x80
/** Virtual pages at which processes keep what is theirs, and what is everybody's. */
const PRIVATE_VPN = 0x10_0000
const SHARED_VPN = 0x7_f000_0000
const SHARED_PAGES = 1024

export interface GuestImage {
  readonly path: string
  readonly spaces: FoundSpaces
}

/**
 * `runPages`: pages that are contiguous in memory and in a process, on average; 1 scatters every page. `sparse`: no content but the page
 * tables.
 */
export function guestImage(
  megabytes: number,
  processes: number,
  runPages: number,
  sparse = false,
): GuestImage {
  const name = `guest-${megabytes}m-${processes}p-${runPages}${sparse ? '-sparse' : ''}-v${VERSION}.img`
  const path = join(benchDirectory(), name)
  const tables = new Tables(megabytes * MIB, Math.max(16, processes / 8 + megabytes / 256))
  const spaces = layOut(tables, processes, runPages)
  if (!existsSync(path)) {
    process.stderr.write(`making ${path}\n`)
    if (sparse) writeFileSync(`${path}.partial`, '')
    else copyFileSync(realImage(megabytes), `${path}.partial`)
    const fd = openSync(`${path}.partial`, 'r+')
    writeSync(fd, tables.bytes, 0, tables.bytes.length, tables.start)
    closeSync(fd)
    renameSync(`${path}.partial`, path)
  }
  return { path, spaces }
}

function layOut(tables: Tables, processes: number, runPages: number): FoundSpaces {
  const random = seeded(runPages)
  const roots = Array.from({ length: processes }, () => tables.allocate())
  const next = new Array<number>(processes).fill(PRIVATE_VPN)
  // runs of frames in random order, each to a random process
  const runs: [number, number][] = []
  for (let frame = 16; frame < tables.start / PAGE; ) {
    const length = Math.min(1 + random.below(2 * runPages - 1), tables.start / PAGE - frame)
    runs.push([frame, length])
    frame += length
  }
  for (let i = runs.length - 1; i > 0; i--) {
    const other = random.below(i + 1)
    const run = runs[i]!
    runs[i] = runs[other]!
    runs[other] = run
  }
  let shared = 0
  for (const [frame, length] of runs) {
    const everybody = shared < SHARED_PAGES
    const users = everybody ? roots.keys() : [random.below(processes)]
    for (const user of users) {
      const vpn = everybody ? SHARED_VPN + shared : next[user]!
      for (let page = 0; page < length; page++) tables.map(roots[user]!, vpn + page, frame + page)
      if (!everybody) next[user] = vpn + length
    }
    if (everybody) shared += length
  }
  return {
    base: 0,
    spaces: {
      mode: pagingMode('x86_64'),
      kernelDtb: kernelTables(tables),
      processes: roots.map((dtb, index) => ({ pid: index + 1, name: `p${index + 1}`, dtb })),
    },
  }
}

/** A direct map of 2 MiB pages. */
function kernelTables(tables: Tables): number {
  const root = tables.allocate()
  for (let gpa = 0; gpa < tables.end; gpa += 2 * MIB) tables.mapLarge(root, 273 * 512 ** 3 + gpa / PAGE, gpa)
  return root
}

/** Page tables of four levels, at the end of memory. */
class Tables {
  readonly start: number
  readonly end: number
  readonly bytes: Buffer
  #used = 0

  constructor(end: number, megabytes: number) {
    this.bytes = Buffer.alloc(Math.ceil(megabytes) * MIB)
    this.end = end
    this.start = end - this.bytes.length
  }

  allocate(): number {
    const at = this.start + this.#used
    this.#used += PAGE
    if (this.#used > this.bytes.length) throw new Error('no room for page tables')
    return at
  }

  map(root: number, vpn: number, frame: number): void {
    this.#write(this.#entry(root, vpn, 3), frame * PAGE + PRESENT_WRITABLE_USER)
  }

  mapLarge(root: number, vpn: number, gpa: number): void {
    this.#write(this.#entry(root, vpn, 2), gpa + LARGE + 3)
  }

  #entry(root: number, vpn: number, level: number): number {
    let table = root
    for (let above = 0; ; above++) {
      const at = table + (Math.floor(vpn / 512 ** (3 - above)) % 512) * 8
      if (above === level) return at
      const entry = this.#read(at)
      if (entry === 0) {
        table = this.allocate()
        this.#write(at, table + PRESENT_WRITABLE_USER)
      } else table = entry - (entry % PAGE)
    }
  }

  #read(at: number): number {
    return Number(this.bytes.readBigUInt64LE(at - this.start))
  }

  #write(at: number, entry: number): void {
    this.bytes.writeBigUInt64LE(BigInt(entry), at - this.start)
  }
}
