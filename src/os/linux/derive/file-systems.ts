/** Inodes, the file systems that they belong to, and where those are mounted (include/linux/fs.h, mount.h; fs/mount.h). */
import type { DerivedTypes } from './layout.js'
import type { NameSet } from './names.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'

const INODE_BYTES = 256
const DENTRY_BYTES = 256
const SUPER_BLOCK_BYTES = 128
/** S_IFMT, S_IFREG of include/uapi/linux/stat.h. */
const TYPE_BITS = 0xf000
const REGULAR = 0x8000
const MAX_BLOCK_BITS = 24
const MAX_MOUNTS = 64

/** Derives what leads from a file to its file system and its mount. */
export function deriveFileSystems(reader: PlaceReader, names: NameSet, types: DerivedTypes): void {
  const width = reader.pointerBytes
  const dentries = names.files.map(file => new Sample(reader, file.pointer(names.path + width), DENTRY_BYTES))
  const { inode } = names
  if (inode !== undefined) {
    const inodes = names.files.map(file => new Sample(reader, file.pointer(inode), INODE_BYTES))
    deriveInodes(reader, dentries, inodes, types)
  }
  deriveMounts(reader, names, types)
}

function deriveInodes(
  reader: PlaceReader,
  dentries: readonly Sample[],
  inodes: readonly Sample[],
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const pairs = inodes.flatMap((inode, i) => {
    const dentry = dentries[i]
    return dentry === undefined ? [] : [{ inode, dentry }]
  })
  const many = `${pairs.length} files`
  if (agree(inodes, inode => (inode.u32(0) & TYPE_BITS) === REGULAR))
    types.set('inode', 'i_mode', 0, `a regular file's, in ${many}`, { bytes: 2 })
  const found: { inode: number; dentry: number; type: number }[] = []
  for (let inode = 8; inode < 128; inode += width) {
    if (!agree(inodes, sample => reader.isPointer(sample.pointer(inode)))) continue
    for (const dentry of offsetsWhere(
      pairs,
      [0, DENTRY_BYTES, width],
      (pair, offset) => pair.dentry.pointer(offset) === pair.inode.pointer(inode),
    )) {
      const blocks = [...new Set(inodes.map(sample => sample.pointer(inode)))].map(
        place => new Sample(reader, place, SUPER_BLOCK_BYTES),
      )
      const named = offsetsWhere(blocks, [width, SUPER_BLOCK_BYTES, width], (block, offset) =>
        isType(reader, block.pointer(offset)),
      )
      for (const type of named) found.push({ inode, dentry, type })
    }
  }
  const [only] = found
  if (only === undefined || found.length > 1) return
  types.set('inode', 'i_sb', only.inode, `leads to a file system with a type, in ${many}`, {
    typeName: 'super_block',
  })
  types.set('dentry', 'd_sb', only.dentry, `the same pointer in ${many}`, { typeName: 'super_block' })
  types.set('super_block', 's_type', only.type, 'leads to the name of a file system', {
    typeName: 'file_system_type',
  })
  types.set('file_system_type', 'name', 0)
  deriveDevice(reader, inodes, only.inode, types)
  deriveNumber(reader, inodes, only.inode, types)
}

/** A `file_system_type`: its name, and flags of which few are defined (`fs_flags`). */
function isType(reader: PlaceReader, place: Place): boolean {
  if (!reader.isPointer(place)) return false
  const at = reader.pointer(place)
  const flags = reader.u32(place, reader.pointerBytes)
  if (at === undefined || flags === undefined || flags > 0xffff) return false
  if (at < reader.kernelStart || at >= reader.kernelEnd) return false
  const name = reader.text(at, 32)
  return name !== undefined && name.length > 1 && /^[a-z][\w.-]*$/.test(name)
}

/** `s_dev` stands behind the list of all file systems; behind it the size of a block as a power of two, and as a number. */
function deriveDevice(
  reader: PlaceReader,
  inodes: readonly Sample[],
  superBlock: number,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const blocks = [...new Set(inodes.map(inode => inode.pointer(superBlock)))].map(
    place => new Sample(reader, place, SUPER_BLOCK_BYTES),
  )
  const device = 2 * width
  const fits = (block: Sample): boolean => {
    const bits = block.u32(device + 4) & 0xff
    return bits > 0 && bits <= MAX_BLOCK_BITS && block.u32(device + 8) === 2 ** bits
  }
  if (agree(blocks, fits))
    types.set(
      'super_block',
      's_dev',
      device,
      `before the size of a block, in ${blocks.length} file systems`,
      { bytes: 4 },
    )
}

/** `i_mapping` leads into the inode itself, or that of the device; `i_ino` is the next number that is no pointer. */
function deriveNumber(
  reader: PlaceReader,
  inodes: readonly Sample[],
  superBlock: number,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const mapping = superBlock + width
  if (!agree(inodes, inode => inode.pointer(mapping) > inode.at && inode.pointer(mapping) < inode.at + 1024))
    return
  types.set('inode', 'i_mapping', mapping, `leads into the inode itself in ${inodes.length} files`, {
    typeName: 'address_space',
  })
  const numbers = offsetsWhere(inodes, [mapping + width, mapping + 4 * width, width], (inode, offset) => {
    const value = width === 8 ? inode.u64(offset) : inode.u32(offset)
    return value > 0 && value < 2 ** 48 && !reader.isPointer(inode.pointer(offset))
  })
  const [number] = numbers
  if (number === undefined) return
  const different = new Map(
    inodes.map(inode => [inode.at, `${inode.pointer(superBlock)}:${inode.pointer(number)}`]),
  )
  if (new Set(different.values()).size !== different.size) return
  types.set('inode', 'i_ino', number, `different for ${different.size} inodes`)
}

/** A `vfsmount` begins with its root and its file system; around it stands the `mount` that knows the parent and the place there. */
function deriveMounts(reader: PlaceReader, names: NameSet, types: DerivedTypes): void {
  const width = reader.pointerBytes
  const mounts = [...new Set(names.files.map(file => file.pointer(names.path)))].slice(0, MAX_MOUNTS)
  if (!agree(mounts, mount => isMount(reader, names, mount, types))) return
  const found = [] as { parent: number; outer: number }[]
  for (let parent = 2 * width; parent <= 6 * width; parent += width)
    for (let outer = parent; outer <= 12 * width; outer += width)
      if (agree(mounts, mount => climbs(reader, names, mount, { parent, outer }, types)))
        found.push({ parent, outer })
  const [only] = found
  if (only === undefined || found.length > 1) return
  const { parent, outer } = only
  const mountpoint = parent - width
  if (!agree(mounts, mount => names.isName(reader.pointer(mount, -mountpoint)))) return
  const why = `${mounts.length} mounts lead to the topmost`
  types.set('vfsmount', 'mnt_root', 0, `a name, in ${mounts.length} mounts`, { typeName: 'dentry' })
  types.set('vfsmount', 'mnt_sb', width, undefined, { typeName: 'super_block' })
  types.set('mount', 'mnt', outer, why, { bytes: 4 * width, typeName: 'vfsmount', embedded: true })
  types.set('mount', 'mnt_parent', outer - parent, why, { typeName: 'mount' })
  types.set('mount', 'mnt_mountpoint', outer - mountpoint, undefined, { typeName: 'dentry' })
}

/** Whether a `vfsmount` stands there: its root is a name, and of its file system where that is known. */
export function isMount(reader: PlaceReader, names: NameSet, mount: Place, types: DerivedTypes): boolean {
  const root = reader.pointer(mount)
  if (!reader.isPointer(root) || !names.isName(root)) return false
  const superBlock = types.offset('dentry', 'd_sb')
  return (
    superBlock === undefined ||
    reader.pointer(root, superBlock) === reader.pointer(mount, reader.pointerBytes)
  )
}

/** Whether the parents of a mount are mounts, up to one that is its own parent. */
function climbs(
  reader: PlaceReader,
  names: NameSet,
  from: Place,
  { parent, outer }: { readonly parent: number; readonly outer: number },
  types: DerivedTypes,
): boolean {
  let mount = from
  for (let depth = 0; depth < MAX_MOUNTS; depth++) {
    const up = reader.pointer(mount, -parent)
    if (!reader.isPointer(up)) return false
    if (up + outer === mount) return true
    mount = up + outer
    if (!isMount(reader, names, mount, types)) return false
  }
  return false
}
