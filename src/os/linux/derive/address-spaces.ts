/** Where a task keeps its address space, and where that keeps its page table and the outline of its program. */
import type { DerivedTypes } from './layout.js'
import type { Place, PlaceReader } from './reader.js'
import { agree, offsetsWhere, Sample } from './samples.js'
import { nameOf, type TaskSet } from './tasks.js'

/** How addresses are translated. */
export interface Translation {
  /** gpa of the kernel's own top table. */
  readonly dtb: number
  /** Where an address leads through any top table; undefined when it is not mapped. */
  translate(dtb: number, va: bigint): number | undefined
}

/** The address spaces of the user tasks, read. */
export interface MmSet {
  readonly samples: readonly Sample[]
  /** Offset of `start_code`; the ten words behind it follow. */
  readonly program: number
}

const MM_BYTES = 4096
const MAX_MMS = 32

/** Derives `mm`, `active_mm`, `pgd`, and the outline of the program (`start_code` to `saved_auxv`). */
export function deriveAddressSpaces(
  reader: PlaceReader,
  tasks: TaskSet,
  paging: Translation,
  types: DerivedTypes,
): MmSet | undefined {
  const width = reader.pointerBytes
  const { kernel, user, comm } = tasks
  if (kernel.length < 2) return undefined
  // dead processes have given theirs back
  const offsets = offsetsWhere(kernel, [0, comm, width], (task, offset) => task.pointer(offset) === 0)
  const found = offsets.flatMap(mm => {
    const owners = variedFirst(
      user.filter(task => task.pointer(mm) !== 0),
      comm,
    )
    if (owners.length === 0 || !agree(owners, task => reader.isPointer(task.pointer(mm)))) return []
    const places = [...new Set(owners.map(task => task.pointer(mm)))].filter(place => reader.isPointer(place))
    const samples = places.slice(0, MAX_MMS).map(place => new Sample(reader, place, MM_BYTES))
    return programsIn(samples, width).map(program => ({ mm, program, samples, owners }))
  })
  const [only, other] = found
  // `active_mm` is the same in every task that has one of its own, and NULL in kernel threads that don't run
  if (only === undefined || found.length > 2) return undefined
  const { mm, program, samples, owners } = only
  if (other !== undefined && (other.mm !== mm + width || other.program !== program)) return undefined
  // without its neighbour it could be `active_mm` itself
  if (!agree(owners, task => task.pointer(mm + width) === task.pointer(mm))) return undefined
  const why = `NULL in ${kernel.length} kernel threads, leads to a program's outline in ${owners.length} others`
  types.set('task_struct', 'mm', mm, why, { typeName: 'mm_struct' })
  types.set('task_struct', 'active_mm', mm + width, `equal to mm in ${owners.length} tasks that have one`, {
    typeName: 'mm_struct',
  })
  setProgram(reader, samples, program, types)
  derivePageTable(reader, { samples, program }, tasks.init.at, paging, types)
  return { samples, program }
}

/** One task of each name first: five hundred shells say less than five programs. */
function variedFirst(tasks: readonly Sample[], comm: number): Sample[] {
  const seen = new Set<string>()
  const first: Sample[] = []
  const rest: Sample[] = []
  for (const task of tasks) {
    const name = nameOf(task, comm)
    ;(seen.has(name) ? rest : first).push(task)
    seen.add(name)
  }
  return [...first, ...rest]
}

/** `pgd` leads to a table that maps the kernel where the kernel's own does, and the program's arguments somewhere. */
function derivePageTable(
  reader: PlaceReader,
  { samples, program }: MmSet,
  known: Place,
  { dtb, translate }: Translation,
  types: DerivedTypes,
): void {
  const where = translate(dtb, reader.address(known))
  if (where === undefined) return
  const present = (mm: Sample, table: number): boolean =>
    [0, 6, 7].some(
      i => translate(table, reader.address(mm.pointer(program + i * reader.pointerBytes))) !== undefined,
    )
  const tables = offsetsWhere(samples, [0, 1024, reader.pointerBytes], (mm, offset) => {
    const pgd = mm.pointer(offset)
    if (!reader.isPointer(pgd) || pgd % 32 !== 0) return false
    // what is no table costs a walk, too
    reader.spend(64)
    if (reader.exhausted) return false
    const table = translate(dtb, reader.address(pgd))
    if (table === undefined || table === dtb) return false
    return translate(table, reader.address(known)) === where && present(mm, table)
  })
  const [pgd] = tables
  if (pgd === undefined || tables.length > 1) return
  const why = `the kernel is mapped through it as through its own table, and the program too, in ${samples.length} address spaces`
  types.set('mm_struct', 'pgd', pgd, why)
}

/** AT_PAGESZ of include/uapi/linux/auxvec.h. */
const AT_PAGE_SIZE = 6
const MAX_AUX_PAIRS = 40
/** Arguments and environment take at most 6 MiB (fs/exec.c: `bprm_stack_limits`). */
const MAX_ARGUMENT_BYTES = 8 * 2 ** 20
/** The members in their order since 2.6.12 (include/linux/mm_types.h). */
const PROGRAM_MEMBERS = [
  'start_code',
  'end_code',
  'start_data',
  'end_data',
  'start_brk',
  'brk',
  'start_stack',
  'arg_start',
  'arg_end',
  'env_start',
  'env_end',
] as const

/** Eleven addresses in an order that only a program has, and behind them the vector that the kernel gave it. */
function programsIn(samples: readonly Sample[], width: 4 | 8): number[] {
  const end = MM_BYTES - (PROGRAM_MEMBERS.length + 2 * MAX_AUX_PAIRS) * width
  return offsetsWhere(samples, [0, end, width], (mm, offset) => isProgram(mm, offset, width))
}

function setProgram(
  reader: PlaceReader,
  samples: readonly Sample[],
  program: number,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  PROGRAM_MEMBERS.forEach((name, i) => {
    const why = `addresses in a program's order with its auxiliary vector behind, in ${samples.length} address spaces`
    types.set('mm_struct', name, program + i * width, i === 0 ? why : undefined)
  })
  const auxiliary = program + PROGRAM_MEMBERS.length * width
  types.set('mm_struct', 'saved_auxv', auxiliary, 'its pairs hold the page size', { bytes: 2 * 20 * width })
  deriveVdso(reader, samples, auxiliary, types)
}

function isProgram(mm: Sample, offset: number, width: 4 | 8): boolean {
  const at = (index: number): number => mm.pointer(offset + index * width)
  for (let i = 0; i < PROGRAM_MEMBERS.length; i++) if (at(i) < 0) return false
  const ordered = at(0) <= at(1) && at(2) <= at(3) && at(4) <= at(5)
  const stack = at(6) > 0 && at(6) <= at(7) && at(7) <= at(8) && at(8) <= at(9) && at(9) <= at(10)
  if (!ordered || !stack || at(0) === 0 || at(10) - at(6) > MAX_ARGUMENT_BYTES) return false
  return auxiliaryValue(mm, offset + PROGRAM_MEMBERS.length * width, width, AT_PAGE_SIZE) !== undefined
}

/** The value that the vector at `offset` has for a key. Keys are small numbers, the page size a power of two. */
function auxiliaryValue(mm: Sample, offset: number, width: 4 | 8, key: number): number | undefined {
  for (let i = 0; i < MAX_AUX_PAIRS; i++) {
    const pair = offset + 2 * i * width
    const type = mm.pointer(pair)
    if (type <= 0 || type > 128) return undefined
    if (type !== key) continue
    const value = mm.pointer(pair + width)
    return key === AT_PAGE_SIZE && ![4096, 16_384, 65_536].includes(value) ? undefined : value
  }
  return undefined
}

/** Bytes of the vector up to its end mark. */
function auxiliaryBytes(mm: Sample, offset: number, width: 4 | 8): number {
  let pairs = 0
  while (pairs < MAX_AUX_PAIRS && mm.pointer(offset + 2 * pairs * width) !== 0) pairs++
  return 2 * pairs * width
}

/** AT_SYSINFO_EHDR: where the vdso was mapped. `context.vdso` is the other place that holds it. */
const AT_VDSO = 33

function deriveVdso(
  reader: PlaceReader,
  samples: readonly Sample[],
  auxiliary: number,
  types: DerivedTypes,
): void {
  const width = reader.pointerBytes
  const found = offsetsWhere(samples, [0, MM_BYTES, width], (mm, offset) => {
    if (offset >= auxiliary && offset < auxiliary + auxiliaryBytes(mm, auxiliary, width)) return false
    const vdso = mm.pointer(offset)
    return vdso !== 0 && vdso === auxiliaryValue(mm, auxiliary, width, AT_VDSO)
  })
  const [vdso] = found
  if (vdso === undefined || found.length > 1) return
  const why = `what the auxiliary vector says of the vdso, in ${samples.length} address spaces`
  types.set('mm_struct', 'context.vdso', vdso, why)
}
