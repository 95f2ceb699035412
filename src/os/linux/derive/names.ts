/** Names in directories (`struct dentry`) and the files that lead to them (include/linux/dcache.h, fs.h). */
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'

/** What is known of names, for others to check with. */
export interface NameSet {
  /** Files whose names are known, read. */
  readonly files: readonly Sample[]
  /** Whether a dentry with a name stands at a place, below a root that is its own parent. */
  isName(place: Place | undefined): boolean
  /** Offset of `f_path` in `struct file`. */
  readonly path: number
  /** Offset of `f_inode` in `struct file`; undefined when it was not found. */
  readonly inode: number | undefined
}

const FILE_BYTES = 384
const DENTRY_BYTES = 256
/** NAME_MAX. */
const MAX_NAME_BYTES = 255
const MAX_DEPTH = 128
const MAX_FILES = 48

/**
 * Derives `f_path`, `d_name`, `d_parent`, `f_inode` and `d_inode` from the files of programs: a name is as long as it says, and the
 * parents of each lead up to a `/` that is its own parent.
 */
export function deriveNames(
  reader: PlaceReader,
  places: readonly Place[],
  types: DerivedTypes,
): NameSet | undefined {
  const width = reader.pointerBytes
  const files = places.slice(0, MAX_FILES).map(place => new Sample(reader, place, FILE_BYTES))
  const found: { path: number; name: number; parent: number }[] = []
  for (let path = 0; path < FILE_BYTES - 2 * width; path += width) {
    if (
      !agree(
        files,
        file => reader.isPointer(file.pointer(path)) && reader.isPointer(file.pointer(path + width)),
      )
    )
      continue
    const dentries = files.map(file => new Sample(reader, file.pointer(path + width), DENTRY_BYTES))
    const names = offsetsWhere(
      dentries,
      [2 * width, 128, width],
      (dentry, name) => nameLength(reader, dentry.at, name) > 0,
    )
    for (const name of names) {
      const parents = offsetsWhere(dentries, [0, 128, width], (dentry, parent) =>
        reachesRoot(reader, dentry.at, name, parent),
      )
      for (const parent of parents) found.push({ path, name, parent })
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) return undefined
  const { path, name, parent } = only
  const many = `${files.length} executables`
  types.set('file', 'f_path', path, `leads to names of ${many} that end at a root`, {
    bytes: 2 * width,
    typeName: 'path',
    embedded: true,
  })
  types.set('path', 'mnt', 0, undefined, { typeName: 'vfsmount' })
  types.set('path', 'dentry', width, undefined, { typeName: 'dentry' })
  types.set('dentry', 'd_parent', parent, `leads up to a root, from ${many}`, { typeName: 'dentry' })
  // the length stands right before the pointer, the hash before that (`struct qstr`)
  types.set('dentry', 'd_name', name - 8, `a name of the length before it, in ${many}`, {
    bytes: 8 + width,
    typeName: 'qstr',
    embedded: true,
  })
  types.set('qstr', 'hash', 0, undefined, { bytes: 4 })
  types.set('qstr', 'len', 4, undefined, { bytes: 4 })
  types.set('qstr', 'name', 8)
  const dentries = files.map(file => new Sample(reader, file.pointer(path + width), DENTRY_BYTES))
  deriveHash(reader, dentries, parent, types)
  deriveMode(files, types)
  const inode = deriveInode(files, dentries, { path, parent }, reader, types)
  const isName = (place: Place | undefined): boolean =>
    reader.isPointer(place) && reachesRoot(reader, place, name, parent)
  return { files, isName, path, inode }
}

/** Length of a dentry's name; 0 when it has none. */
function nameLength(reader: PlaceReader, dentry: Place, name: number): number {
  const at = reader.pointer(dentry, name)
  const length = reader.u32(dentry, name - 4)
  if (at === undefined || length === undefined || length === 0 || length > MAX_NAME_BYTES) return 0
  // names are bytes, inline ones at any place that is a multiple of 4
  if (at < reader.kernelStart || at >= reader.kernelEnd) return 0
  for (let i = 0; i < length; i++) {
    const byte = reader.u8(at, i)
    if (byte === undefined || byte === 0) return 0
  }
  return reader.u8(at, length) === 0 ? length : 0
}

/** Whether the parents lead up to one that is its own and is called `/`. */
function reachesRoot(reader: PlaceReader, from: Place, name: number, parent: number): boolean {
  let dentry = from
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (nameLength(reader, dentry, name) === 0) return false
    const up = reader.pointer(dentry, parent)
    if (!reader.isPointer(up)) return false
    if (up === dentry) {
      const at = reader.pointer(dentry, name)
      return at !== undefined && nameLength(reader, dentry, name) === 1 && reader.u8(at) === 0x2f
    }
    dentry = up
  }
  return false
}

/** `d_hash` stands before `d_parent`; `pprev` leads back to it, or is NULL once the file is deleted. */
function deriveHash(
  reader: PlaceReader,
  dentries: readonly Sample[],
  parent: number,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const hash = parent - 2 * width
  if (hash < 0) return
  const hashed = dentries.filter(dentry => dentry.pointer(hash + width) !== 0)
  // the lock of the bucket is bit 0 of its first pointer
  const leadsBack = (dentry: Sample): boolean => {
    const back = reader.pointer(dentry.pointer(hash + width))
    return back === dentry.at + hash || back === dentry.at + hash + 1
  }
  if (!agree(hashed, leadsBack)) return
  types.set(
    'dentry',
    'd_hash',
    hash,
    `its back link leads to itself in ${hashed.length} of ${dentries.length} names`,
    {
      bytes: 2 * width,
      typeName: 'hlist_bl_node',
      embedded: true,
    },
  )
  types.set('hlist_bl_node', 'next', 0)
  types.set('hlist_bl_node', 'pprev', width)
}

/** `f_inode` and `d_inode` are the same pointer. */
function deriveInode(
  files: readonly Sample[],
  dentries: readonly Sample[],
  { path, parent }: { readonly path: number; readonly parent: number },
  reader: PlaceReader,
  types: DerivedTypes,
): number | undefined {
  const width = reader.pointerBytes
  const both = files.flatMap((file, i) => {
    const dentry = dentries[i]
    return dentry === undefined ? [] : [{ file, dentry }]
  })
  const found: { file: number; dentry: number }[] = []
  for (let dentry = parent + width; dentry < 160; dentry += width) {
    if (!agree(both, pair => reader.isPointer(pair.dentry.pointer(dentry)))) continue
    const same = offsetsWhere(both, [0, FILE_BYTES, width], (pair, offset) => {
      return pair.file.pointer(offset) === pair.dentry.pointer(dentry)
    })
    for (const file of same) if (file !== path && file !== path + width) found.push({ file, dentry })
  }
  const [only] = found
  if (only === undefined || found.length > 1) return undefined
  const why = `the same pointer in ${both.length} files and their names`
  types.set('file', 'f_inode', only.file, why, { typeName: 'inode' })
  types.set('dentry', 'd_inode', only.dentry, why, { typeName: 'inode' })
  return only.file
}

/** O_RDONLY, O_LARGEFILE and __FMODE_EXEC (x86; arm64; kernels that need no O_LARGEFILE): how the kernel opens a program. */
const PROGRAM_FLAGS = new Set([0x8020, 0x2_0020, 0x20])
/** FMODE_READ and FMODE_CAN_READ must be set, FMODE_WRITE not (include/linux/fs.h). */
const PROGRAM_MODE = 0x2_0001
const MODE_WRITE = 2

/** `f_flags` and `f_mode` of files that are executed. */
function deriveMode(files: readonly Sample[], types: DerivedTypes): void {
  const flags = offsetsWhere(files, [0, 128, 4], (file, offset) => PROGRAM_FLAGS.has(file.u32(offset)))
  const [flag] = flags
  if (flag === undefined || flags.length > 1) return
  const modes = offsetsWhere(files, [0, 128, 4], (file, offset) => {
    const mode = file.u32(offset)
    return (mode & PROGRAM_MODE) === PROGRAM_MODE && (mode & MODE_WRITE) === 0 && mode < 2 ** 31
  })
  const why = `how the kernel opened ${files.length} executables`
  types.set('file', 'f_flags', flag, why, { bytes: 4 })
  const [mode] = modes
  if (mode !== undefined && modes.length === 1) types.set('file', 'f_mode', mode, why, { bytes: 4 })
  derivePosition(files, types)
}

/** `f_pos` stands behind `f_pos_lock`, a mutex that nobody holds or waits for: a zero word at its start, an empty list at its end. */
function derivePosition(files: readonly Sample[], types: DerivedTypes): void {
  const width = types.pointerBytes
  const found = offsetsWhere(files, [3 * width, 192, width], (file, list) => {
    const empty = file.pointer(list) === file.at + list && file.pointer(list + width) === file.at + list
    return empty && file.pointer(list - 2 * width) === 0 && file.u64(list + 2 * width) < MAX_POSITION
  })
  const [list] = found
  if (list === undefined || found.length > 1) return
  const position = Math.ceil((list + 2 * width) / width) * width
  types.set(
    'file',
    'f_pos',
    position,
    `behind a lock that nobody waits for, in ${files.length} executables`,
    { bytes: 8 },
  )
}

/** MAX_LFS_FILESIZE of 64-bit kernels rounds to this; executables are not read through their position. */
const MAX_POSITION = 2 ** 53
