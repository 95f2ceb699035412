/** The list of a namespace's mounts, until 6.7 (fs/mount.h: `mnt_namespace.list` links `mount.mnt_list`). */
import { isMount } from './file-systems.js'
import type { DerivedTypes } from './layout.js'
import type { NameSet } from './names.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'
import type { TaskSet } from './tasks.js'

const NAMESPACE_BYTES = 256
const MOUNT_BYTES = 512
const MAX_MOUNTS = 4096
const MAX_SAMPLES = 64
/** MNT_* flags are below this bit, MNT_NOSUID and such at the bottom (include/linux/mount.h). */
const MAX_FLAGS = 2 ** 30
const MAX_ID = 2 ** 24

/** Derives the list and what a mount says of itself: where it came from, its number, its flags. */
export function deriveMountList(
  reader: PlaceReader,
  tasks: TaskSet,
  names: NameSet,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const proxy = types.offset('task_struct', 'nsproxy')
  const field = types.offset('nsproxy', 'mnt_ns')
  const inner = types.offset('mount', 'mnt')
  if (proxy === undefined || field === undefined || inner === undefined) return
  const spaces = new Set<Place>()
  for (const task of tasks.user) {
    const at = task.pointer(proxy)
    const space = reader.isPointer(at) ? reader.pointer(at, field) : undefined
    if (reader.isPointer(space)) spaces.add(space)
  }
  const namespaces = [...spaces].map(place => new Sample(reader, place, NAMESPACE_BYTES))
  const known = (mount: Place): boolean => isMount(reader, names, mount + inner, types)
  const found: { head: number; link: number }[] = []
  for (let head = 0; head < NAMESPACE_BYTES - width; head += width)
    for (let link = inner + 4 * width; link < 256; link += width)
      if (agree(namespaces, space => mountsOf(reader, space.at + head, link, known).length > 0))
        found.push({ head, link })
  const [only] = found
  if (only === undefined || found.length > 1) return
  const { head, link } = only
  const list = { bytes: 2 * width, typeName: 'list_head', embedded: true } as const
  const places = namespaces.flatMap(space => mountsOf(reader, space.at + head, link, known))
  const why = `a ring of mounts in each of ${namespaces.length} namespaces, ${places.length} in all`
  types.set('mnt_namespace', 'list', head, why, list)
  types.set('mount', 'mnt_list', link, why, list)
  describeMounts(reader, places.slice(0, MAX_SAMPLES), { inner, link }, types)
}

/** Starts of the mounts that a head links; empty when one is none, or the ring does not close. */
function mountsOf(reader: PlaceReader, head: Place, link: number, known: (mount: Place) => boolean): Place[] {
  const mounts: Place[] = []
  let previous = head
  let node = reader.pointer(head)
  while (node !== head) {
    if (!reader.isPointer(node) || mounts.length >= MAX_MOUNTS) return []
    if (reader.pointer(node, reader.pointerBytes) !== previous || !known(node - link)) return []
    mounts.push(node - link)
    previous = node
    node = reader.pointer(node)
  }
  return mounts
}

function describeMounts(
  reader: PlaceReader,
  places: readonly Place[],
  { inner, link }: { readonly inner: number; readonly link: number },
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const mounts = places.map(place => new Sample(reader, place, MOUNT_BYTES))
  // the source's name stands before the list
  const source = link - width
  const named = (mount: Sample): boolean => {
    const at = mount.pointer(source)
    const name = at >= reader.kernelStart && at < reader.kernelEnd ? reader.text(at, 256) : undefined
    return name !== undefined && name.length > 0
  }
  if (agree(mounts, named))
    types.set('mount', 'mnt_devname', source, `a text in ${mounts.length} mounts, before the list`)
  const flags = inner + 2 * width
  if (agree(mounts, mount => mount.u32(flags) < MAX_FLAGS))
    types.set('vfsmount', 'mnt_flags', 2 * width, undefined, { bytes: 4 })
  const ids = offsetsWhere(mounts, [link + 2 * width, 400, 4], (mount, offset) => {
    const id = mount.u32(offset)
    return id > 0 && id < MAX_ID
  }).filter(offset => new Set(mounts.map(mount => mount.u32(offset))).size === mounts.length)
  const [id] = ids
  if (mounts.length > 4 && id !== undefined && ids.length === 1)
    types.set('mount', 'mnt_id', id, `a small number of its own in ${mounts.length} mounts`, { bytes: 4 })
}
