/** What a task shares with others: open files, root and working directory, namespaces (fdtable.h, fs_struct.h, nsproxy.h). */
import type { DerivedTypes } from './layout.js'
import type { NameSet } from './names.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'
import type { TaskSet } from './tasks.js'

const STRUCT_BYTES = 256
/** Where in a task the pointers may stand, behind `comm`. */
const BEHIND_COMM_BYTES = 512
const MAX_SAMPLES = 32
/** `fs.nr_open` can't be more. */
const MAX_DESCRIPTORS = 2 ** 26
const FEW_DESCRIPTORS = 8

/** Derives `files`, `fs` and `nsproxy` of a task. */
export function deriveShared(
  reader: PlaceReader,
  tasks: TaskSet,
  names: NameSet | undefined,
  namespace: Place | undefined,
  types: DerivedTypes,
): void {
  // a dead process has none of them
  const mm = types.offset('task_struct', 'mm')
  const living = tasks.user.filter(task => mm !== undefined && task.pointer(mm) !== 0).slice(0, MAX_SAMPLES)
  if (names !== undefined) {
    deriveFiles(reader, tasks, living, names, types)
    deriveDirectories(reader, tasks, living, names, types)
  }
  if (namespace !== undefined) deriveNamespaces(reader, tasks, namespace, types)
}

/** Descriptors: `fdt` leads to a table with their number and an array of files. */
function deriveFiles(
  reader: PlaceReader,
  { comm }: TaskSet,
  living: readonly Sample[],
  names: NameSet,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const found: { files: number; table: number }[] = []
  for (const files of pointersIn(reader, living, comm)) {
    const structs = living.map(task => new Sample(reader, task.pointer(files), STRUCT_BYTES))
    const tables = offsetsWhere(structs, [width, STRUCT_BYTES, width], (struct, offset) =>
      isTable(reader, names, struct.pointer(offset)),
    )
    // most tables are the one inside, which is there for few descriptors
    for (const table of tables)
      if (
        structs.some(
          struct => struct.pointer(table) - struct.at > 0 && struct.pointer(table) - struct.at < 512,
        )
      )
        found.push({ files, table })
  }
  const [only] = found
  if (only === undefined || found.length > 1) return
  const why = `leads to tables of open files in ${living.length} processes`
  types.set('task_struct', 'files', only.files, why, { typeName: 'files_struct' })
  types.set('files_struct', 'fdt', only.table, why, { typeName: 'fdtable' })
  types.set('fdtable', 'max_fds', 0, undefined, { bytes: 4 })
  ;['fd', 'close_on_exec', 'open_fds', 'full_fds_bits'].forEach((name, i) => {
    types.set('fdtable', name, (1 + i) * width)
  })
}

function isTable(reader: PlaceReader, names: NameSet, table: Place): boolean {
  const width = reader.pointerBytes
  if (!reader.isPointer(table)) return false
  const count = reader.u32(table)
  const array = reader.pointer(table, width)
  if (count === undefined || count === 0 || count % (8 * width) !== 0 || count > MAX_DESCRIPTORS) return false
  if (!reader.isPointer(array)) return false
  for (let i = 2; i <= 4; i++) if (!reader.isPointer(reader.pointer(table, i * width))) return false
  for (let i = 0; i < FEW_DESCRIPTORS; i++) {
    const file = reader.pointer(array, i * width)
    if (file === 0) continue
    if (!reader.isPointer(file)) return false
    // pipes and sockets have no directory: their name is not checked
    if (!reader.isPointer(reader.pointer(file, names.path + width))) return false
  }
  return true
}

/** `fs` holds two paths, root and working directory. */
function deriveDirectories(
  reader: PlaceReader,
  { comm }: TaskSet,
  living: readonly Sample[],
  names: NameSet,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const found: { fs: number; root: number }[] = []
  for (const fs of pointersIn(reader, living, comm)) {
    const structs = living.map(task => new Sample(reader, task.pointer(fs), STRUCT_BYTES))
    const isPath = (struct: Sample, offset: number): boolean =>
      reader.isPointer(struct.pointer(offset)) && names.isName(struct.pointer(offset + width))
    for (const root of offsetsWhere(
      structs,
      [8, 128, width],
      (struct, offset) => isPath(struct, offset) && isPath(struct, offset + 2 * width),
    ))
      found.push({ fs, root })
  }
  const [only] = found
  if (only === undefined || found.length > 1) return
  const path = { bytes: 2 * width, typeName: 'path', embedded: true } as const
  const why = `leads to two directories in ${living.length} processes`
  types.set('task_struct', 'fs', only.fs, why, { typeName: 'fs_struct' })
  types.set('fs_struct', 'root', only.root, why, path)
  types.set('fs_struct', 'pwd', only.root + 2 * width, undefined, path)
}

/** `nsproxy` holds the pid namespace between those of mounts and of the network. */
function deriveNamespaces(reader: PlaceReader, tasks: TaskSet, namespace: Place, types: DerivedTypes): void {
  const width = reader.pointerBytes
  const some = tasks.kernel.slice(0, MAX_SAMPLES)
  const found: { proxy: number; pids: number }[] = []
  for (const proxy of pointersIn(reader, some, tasks.comm)) {
    const structs = some.map(task => new Sample(reader, task.pointer(proxy), 16 * width))
    for (const pids of offsetsWhere(
      structs,
      [4 * width, 8 * width, width],
      (struct, offset) => struct.pointer(offset) === namespace,
    ))
      if (
        agree(structs, struct =>
          [1, 2, 3, -1].every(back => reader.isPointer(struct.pointer(pids - back * width))),
        )
      )
        found.push({ proxy, pids })
  }
  const [only] = found
  if (only === undefined || found.length > 1) return
  const why = `leads to the pid namespace of ${some.length} tasks among others`
  types.set('task_struct', 'nsproxy', only.proxy, why, { typeName: 'nsproxy' })
  const around: readonly (readonly [string, number, string])[] = [
    ['uts_ns', -3, 'uts_namespace'],
    ['ipc_ns', -2, 'ipc_namespace'],
    ['mnt_ns', -1, 'mnt_namespace'],
    ['pid_ns_for_children', 0, 'pid_namespace'],
    ['net_ns', 1, 'net'],
  ]
  for (const [name, index, typeName] of around)
    types.set('nsproxy', name, only.pids + index * width, index === 0 ? why : undefined, { typeName })
}

/** Offsets behind `comm` at which all of the tasks have a pointer. */
function pointersIn(reader: PlaceReader, tasks: readonly Sample[], comm: number): number[] {
  return offsetsWhere(tasks, [comm + 16, comm + BEHIND_COMM_BYTES, reader.pointerBytes], (task, offset) =>
    reader.isPointer(task.pointer(offset)),
  )
}
