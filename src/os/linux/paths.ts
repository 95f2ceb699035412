/**
 * From a file's structures to its path, as /proc prints it (`d_path` of fs/d_path.c): up the names of the directory, over the
 * mounts, to the root.
 */

import { Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import { decodeText, type StructRecord } from '../struct/record.js'
import type { LinuxKernel } from './kernel.js'
import { madeUpName } from './path/made-up-names.js'
import { BACKING_FILE, DENTRY, DENTRY_OPERATIONS, FILE, MOUNT } from './path/structs.js'

/** A place in the tree of mounts: kernel virtual addresses of a `struct dentry` and a `struct vfsmount`. */
export interface PathAddress {
  readonly dentry: bigint
  readonly mount: bigint
}

/** A path as text. */
export interface ResolvedPath {
  /** As /proc prints it, unescaped: `/bin/sh`, `/tmp/x (deleted)`, `pipe:[512]`, `anon_inode:[eventfd]`. */
  readonly text: string
  /** Whether the root that was asked for, or a namespace's own, was reached; not so for detached mounts. */
  readonly reachable: boolean
}

/** Bounds of one path; /proc itself stops at a page. */
const MAX_PATH_STEPS = 2048
const MAX_PATH_LENGTH = 16_384
/** Steps of one reader, the names it reads, the characters of all its paths, and what it keeps: a hostile guest may chain millions. */
const MAX_STEPS = 4_000_000
const MAX_NAMES_READ = 2 ** 19
const MAX_CHARACTERS = 2 ** 26
const MAX_KEPT = 65_536
/** NAME_MAX is 255; names of memory files have a prefix. */
const MAX_NAME_BYTES = 512
/** `FMODE_BACKING` of include/linux/fs.h: the file stands for another. */
const MODE_BACKING = 0x2000000

type Dentry = StructRecord<keyof (typeof DENTRY)['members']>
type Mount = StructRecord<keyof (typeof MOUNT)['members']>

/**
 * The path of an open file (`struct file`), as /proc/PID/fd and /proc/PID/maps print it. `root`: where the reader's own root is;
 * by default paths go up to the root of the file's mount namespace. Undefined when the file can't be read. What is odd is added
 * to `problems`.
 */
export function filePath(
  kernel: LinuxKernel,
  file: bigint,
  root?: PathAddress,
  problems?: Problems,
): string | undefined {
  return new PathReader(new StructReader(kernel), problems, root).file(file)?.text
}

/** Resolves many paths of one kernel; keeps what it read of mounts and names, so make a new one for each list. */
export class PathReader {
  readonly problems: Problems
  readonly #reader: StructReader
  readonly #root: PathAddress | undefined
  readonly #mounts = new Map<bigint, Mount | undefined>()
  readonly #dentries = new Map<bigint, Dentry | undefined>()
  readonly #names = new Map<bigint, string | undefined>()
  readonly #paths = new Map<string, ResolvedPath | undefined>()
  #stepsLeft = MAX_STEPS
  #namesLeft = MAX_NAMES_READ
  #charactersLeft = MAX_CHARACTERS

  constructor(reader: StructReader, problems: Problems = new Problems(), root?: PathAddress) {
    this.#reader = reader
    this.problems = problems
    this.#root = root
  }

  /** Path of a `struct file`. */
  file(address: bigint): ResolvedPath | undefined {
    const record = this.#reader.record(FILE, address)
    if (record === undefined) {
      this.problems.add('absent', 'file: not in memory', address)
      return undefined
    }
    // bitwise on a number below 2^32 is safe for one bit
    const backing = ((record.number('mode') ?? 0) & MODE_BACKING) !== 0
    const user = backing ? this.#reader.record(BACKING_FILE, address) : undefined
    const dentry = user?.link('dentry') ?? record.link('dentry')
    const mount = user?.link('mount') ?? record.link('mount')
    return dentry === undefined ? undefined : this.path({ dentry, mount: mount ?? 0n })
  }

  /** Path of a dentry in a mount (`struct path`). */
  path(at: PathAddress): ResolvedPath | undefined {
    const key = `${at.dentry}:${at.mount}`
    if (!this.#paths.has(key)) keep(this.#paths, key, this.#resolve(at))
    return this.#paths.get(key)
  }

  #resolve({ dentry, mount }: PathAddress): ResolvedPath | undefined {
    const start = this.#dentry(dentry)
    if (start === undefined) return undefined
    const isRoot = start.link('parent') === dentry
    const isMountRoot = isRoot && this.#mount(mount)?.link('root') === dentry
    if (!isMountRoot && this.#isNameless(start, isRoot))
      return { text: madeUpName(this.#reader, start, this.#name(start) ?? ''), reachable: true }
    const { text, reachable } = this.#climb(dentry, mount)
    // without d_hash nothing tells
    const deleted = !isRoot && start.pointer('hashed') === 0n
    return { text: deleted ? `${text} (deleted)` : text, reachable }
  }

  /** The path inside the file system, mounts aside: where a page of the page cache belongs. Undefined when nothing is there. */
  withinFileSystem(dentry: bigint): string | undefined {
    const start = this.#dentry(dentry)
    if (start === undefined) return undefined
    const isRoot = start.link('parent') === dentry
    if (this.#isNameless(start, isRoot)) return madeUpName(this.#reader, start, this.#name(start) ?? '')
    const deleted = !isRoot && start.pointer('hashed') === 0n
    return `${this.#climb(dentry, 0n).text}${deleted ? ' (deleted)' : ''}`
  }

  /** `prepend_path`: from the name up to the root. */
  #climb(from: bigint, inMount: bigint): ResolvedPath {
    const names: string[] = []
    const done = (reachable: boolean): ResolvedPath => ({ text: `/${names.reverse().join('/')}`, reachable })
    let dentry = from
    let mount = inMount
    let length = 0
    for (let steps = 0; steps < MAX_PATH_STEPS && length < MAX_PATH_LENGTH; steps++) {
      if (this.#exhausted) break
      this.#stepsLeft--
      if (dentry === this.#root?.dentry && mount === this.#root.mount) return done(true)
      const mounted = mount === 0n ? undefined : this.#mount(mount)
      if (mounted !== undefined && mounted.link('root') === dentry) {
        const parent = mounted.link('parent')
        const mountpoint = mounted.link('mountpoint')
        const outer = parent === undefined ? undefined : this.#vfsOf(parent)
        // the topmost mount is its own parent
        if (parent === mounted.address || outer === undefined || mountpoint === undefined)
          return done(this.#root === undefined && parent === mounted.address)
        dentry = mountpoint
        mount = outer
        continue
      }
      const record = this.#dentry(dentry)
      const parent = record?.link('parent')
      const name = record === undefined ? undefined : this.#name(record)
      if (record === undefined || parent === undefined || name === undefined) return done(false)
      if (parent === dentry) return done(mount === 0n)
      names.push(name)
      length += name.length + 1
      this.#charactersLeft -= name.length + 1
      dentry = parent
    }
    this.problems.add(
      this.#exhausted ? 'cut' : 'loop',
      `path: no root after ${names.length} names and ${length} characters`,
      from,
    )
    return done(false)
  }

  get #exhausted(): boolean {
    return this.#stepsLeft <= 0 || this.#namesLeft <= 0 || this.#charactersLeft <= 0
  }

  /** Whether the file system makes the name up. A parentless dentry that no mount has as its root is such a one. */
  #isNameless(dentry: Dentry, isRoot: boolean): boolean {
    if (!dentry.layout.has('operations')) return isRoot
    const operations = dentry.link('operations')
    if (operations === undefined) return false
    return this.#reader.record(DENTRY_OPERATIONS, operations)?.link('makeName') !== undefined
  }

  #name(dentry: Dentry): string | undefined {
    if (!this.#names.has(dentry.address)) keep(this.#names, dentry.address, this.#readName(dentry))
    return this.#names.get(dentry.address)
  }

  #readName(dentry: Dentry): string | undefined {
    const length = dentry.number('nameBytes')
    const address = dentry.link('name')
    if (length === undefined || address === undefined) return undefined
    if (length > MAX_NAME_BYTES || !this.#reader.isKernelAddress(address)) {
      this.problems.add('broken', `dentry: name of ${length} bytes`, dentry.address)
      return undefined
    }
    const bytes = this.#reader.bytes(address, length)
    if (bytes === undefined) this.problems.add('absent', 'dentry: name not in memory', dentry.address)
    return bytes === undefined ? undefined : decodeText(bytes)
  }

  #dentry(address: bigint): Dentry | undefined {
    if (this.#dentries.has(address)) return this.#dentries.get(address)
    this.#namesLeft--
    const record = this.#reader.record(DENTRY, address)
    if (record === undefined) this.problems.add('absent', 'dentry: not in memory', address)
    keep(this.#dentries, address, record)
    return record
  }

  /** By the address of the `vfsmount` inside. */
  #mount(vfs: bigint): Mount | undefined {
    if (this.#mounts.has(vfs)) return this.#mounts.get(vfs)
    const address = this.#reader.container(MOUNT, 'vfs', vfs)
    const record = address === undefined ? undefined : this.#reader.record(MOUNT, address)
    keep(this.#mounts, vfs, record)
    return record
  }

  /** Address of the `vfsmount` inside a mount. */
  #vfsOf(mount: bigint): bigint | undefined {
    const offset = this.#reader.layout(MOUNT).offset('vfs')
    return offset === undefined ? undefined : mount + BigInt(offset)
  }
}

/** Remembers, and forgets all when there is too much of it. */
function keep<K, V>(map: Map<K, V>, key: K, value: V): void {
  if (map.size >= MAX_KEPT) map.clear()
  map.set(key, value)
}
