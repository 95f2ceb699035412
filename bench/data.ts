/**
 * The images that are scanned: real content of this machine's /usr in a fixed order, page by page as a page cache
 * holds it, with a few planted markers. Made once, kept in $VMSIFT_BENCH_DIR or the temporary directory.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FIRST_TEXT, literals, RARE_TEXT } from './patterns.js'

export const MIB = 2 ** 20
const PAGE_BYTES = 4096
const ROOTS = ['/usr/lib', '/usr/bin', '/usr/share']
/** Images of another version are made anew. */
const VERSION = 2
const MAX_FILE_BYTES = 64 * MIB

/** Where images, rule files and the compiled peer lie. */
export function benchDirectory(): string {
  const directory = process.env.VMSIFT_BENCH_DIR ?? join(tmpdir(), 'vmsift-bench')
  mkdirSync(directory, { recursive: true })
  return directory
}

/** A raw image of `megabytes`; the shorter one is the longer one's beginning, but for the markers. */
export function realImage(megabytes: number): string {
  return made(`real-${megabytes}m`, megabytes * MIB, fd => {
    // a first page of zeros, or the image would be taken for the file it begins with
    let at = PAGE_BYTES
    for (let round = 0; at < megabytes * MIB; round++) at = appendTree(fd, at, megabytes * MIB, round)
    plant(fd, megabytes * MIB)
  })
}

/** A sparse raw image of `gigabytes` with the rare literal at its start, in its middle and at its end. */
export function sparseImage(gigabytes: number): string {
  const bytes = gigabytes * 2 ** 30
  return made(`sparse-${gigabytes}g`, bytes, fd => {
    ftruncateSync(fd, bytes)
    const text = Buffer.from(RARE_TEXT)
    for (const at of [0, bytes / 2 - 7, bytes - text.length]) writeSync(fd, text, 0, text.length, at)
  })
}

/** `count` records of 64 bytes with the rare literal in each. */
export function denseImage(count: number): string {
  return made(`dense-${count}`, count * 64, fd => {
    const perPiece = 2 ** 16
    for (let from = 0; from < count; from += perPiece) {
      const records = Array.from({ length: Math.min(perPiece, count - from) }, (_, i) =>
        `${RARE_TEXT} ${from + i}`.padEnd(63).concat('\n'),
      )
      writeSync(fd, records.join(''))
    }
  })
}

/** Reads the file once, so that it is in the page cache. */
export function warm(path: string): void {
  const fd = openSync(path, 'r')
  const buffer = Buffer.allocUnsafe(4 * MIB)
  try {
    for (let at = 0; ; at += buffer.length) if (readAt(fd, buffer, at) < buffer.length) break
  } finally {
    closeSync(fd)
  }
}

/** Bytes of a file at `at`, for sampling words. */
export function readAt(fd: number, buffer: Buffer, at: number): number {
  return readSync(fd, buffer, 0, buffer.length, at)
}

function made(name: string, bytes: number, fill: (fd: number) => void): string {
  const path = join(benchDirectory(), `${name}-v${VERSION}.img`)
  if (existsSync(path) && statSync(path).size === bytes) return path
  process.stderr.write(`making ${path}\n`)
  const partial = `${path}.${process.pid}.partial`
  const fd = openSync(partial, 'w')
  try {
    fill(fd)
    ftruncateSync(fd, bytes)
  } finally {
    closeSync(fd)
  }
  renameSync(partial, path)
  return path
}

/** Appends every file below the roots until `end`; from the second round on each page differs a little. */
function appendTree(fd: number, start: number, end: number, round: number): number {
  let at = start
  for (const root of ROOTS)
    for (const file of filesBelow(root)) {
      if (at >= end) return at
      const bytes = contentOf(file)
      if (bytes === undefined) continue
      const padded = Buffer.alloc(Math.ceil(bytes.length / PAGE_BYTES) * PAGE_BYTES)
      padded.set(bytes)
      if (round > 0)
        for (let page = 0; page < padded.length; page += PAGE_BYTES)
          padded.writeUInt32LE((round * 0x9e3779b1) % 2 ** 32, page)
      writeSync(fd, padded, 0, Math.min(padded.length, end - at), at)
      at += padded.length
    }
  if (at === start) throw new Error(`no readable files below ${ROOTS.join(', ')}`)
  return at
}

function* filesBelow(folder: string): Generator<string> {
  if (!existsSync(folder)) return
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}

function contentOf(path: string): Buffer | undefined {
  try {
    const { size } = statSync(path)
    return size > 0 && size <= MAX_FILE_BYTES ? readFileSync(path) : undefined
  } catch {
    return undefined // not ours to read
  }
}

/** The first literal in the first block; the rare one at places where pieces of a scan meet; a few of the sets' too. */
function plant(fd: number, bytes: number): void {
  const put = (text: string, at: number): void => {
    writeSync(fd, text, Math.max(0, Math.min(Math.round(at), bytes - text.length)))
  }
  put(FIRST_TEXT, PAGE_BYTES / 2)
  for (const at of [4 * MIB - 9, 64 * MIB - 5, bytes / 2 - 3, bytes - 24]) put(RARE_TEXT, at)
  const set = literals(1000)
  for (const [index, text] of [set[0]!, set[127]!, set[999]!].entries())
    for (let i = 0; i < 3; i++) put(text, ((i + 1) * bytes) / 5 + index * 100 + 17)
}
