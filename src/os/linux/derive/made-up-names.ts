/** Names that file systems make up (`dentry_operations.d_dname`): found by the kernel's functions that do so. */
import type { SymbolTable } from '../../../symbols/contract.js'
import type { DerivedTypes } from './layout.js'
import type { NameSet } from './names.js'
import type { Place, PlaceReader } from './reader.js'
import { Sample } from './samples.js'
import type { TaskSet } from './tasks.js'

const DENTRY_BYTES = 192
/** `dentry_operations` has some dozen functions. */
const MAX_FUNCTIONS = 24
const MAX_DESCRIPTORS = 64
const MAX_DENTRIES = 512
/** Of pipes, sockets, event files, namespaces and shared memory: functions, so kallsyms has them. */
const MAKERS = ['pipefs_dname', 'sockfs_dname', 'anon_inodefs_dname', 'ns_dname', 'simple_dname']

/** Derives `d_op` and `d_dname`: a pointer in names of open files that leads, at one place, to a function that makes names up. */
export function deriveMadeUpNames(
  reader: PlaceReader,
  symbols: SymbolTable,
  tasks: TaskSet,
  names: NameSet,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const makers = new Set(
    MAKERS.flatMap(name => symbols.all(name).map(symbol => reader.place(symbol.address))),
  )
  if (makers.size === 0) return
  const dentries = openNames(reader, tasks, names, types).map(
    place => new Sample(reader, place, DENTRY_BYTES),
  )
  const found = new Map<string, { operations: number; maker: number; made: number }>()
  for (let operations = 0; operations < DENTRY_BYTES; operations += width) {
    // most names have none, all others a pointer
    if (!dentries.every(dentry => isLink(reader, dentry.pointer(operations)))) continue
    for (const dentry of dentries) {
      const at = dentry.pointer(operations)
      for (let i = 0; at !== 0 && i < MAX_FUNCTIONS; i++) {
        const function_ = reader.pointer(at, i * width)
        if (function_ === undefined || !makers.has(function_)) continue
        const made = found.get(`${operations}:${i}`)?.made ?? 0
        found.set(`${operations}:${i}`, { operations, maker: i * width, made: made + 1 })
      }
    }
  }
  const [only] = found.values()
  if (only === undefined || found.size > 1) return
  const { operations, maker, made } = only
  const why = `leads to a function that makes names up, in ${made} of ${dentries.length} open files`
  types.set('dentry', 'd_op', operations, why, { typeName: 'dentry_operations' })
  types.set('dentry_operations', 'd_dname', maker, why)
}

function isLink(reader: PlaceReader, place: Place): boolean {
  return place === 0 || reader.isPointer(place)
}

/** Places of the dentries of files that processes have open, each once. */
function openNames(reader: PlaceReader, tasks: TaskSet, names: NameSet, types: DerivedTypes): Place[] {
  const width = reader.pointerBytes
  const files = types.offset('task_struct', 'files')
  const table = types.offset('files_struct', 'fdt')
  const places = new Set<Place>()
  if (files === undefined || table === undefined) return []
  for (const task of tasks.user) {
    const shared = task.pointer(files)
    const at = reader.isPointer(shared) ? reader.pointer(shared, table) : undefined
    const array = reader.isPointer(at) ? reader.pointer(at, width) : undefined
    if (!reader.isPointer(array) || at === undefined) continue
    const count = Math.min(reader.u32(at) ?? 0, MAX_DESCRIPTORS)
    for (let i = 0; i < count && places.size < MAX_DENTRIES; i++) {
      const file = reader.pointer(array, i * width)
      const dentry = reader.isPointer(file) ? reader.pointer(file, names.path + width) : undefined
      if (reader.isPointer(dentry)) places.add(dentry)
    }
  }
  return [...places]
}
