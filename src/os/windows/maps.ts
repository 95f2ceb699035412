/** Mappings of a process, from its VADs. */
import { type Listing, Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import { StructReader } from '../struct/reader.js'
import type { WindowsKernel } from './kernel.js'
import { PROCESS } from './process-structs.js'
import { TextBudget, unicodeAt } from './strings.js'
import { pagesOf, VAD, type VadRecord, walkVads } from './vads.js'

const MMVAD = structSpec('_MMVAD', { subsection: 'Subsection', controlArea: 'ControlArea' })
const CONTROL_AREA = structSpec('_CONTROL_AREA', { file: 'FilePointer' })
const FILE = structSpec('_FILE_OBJECT', { name: 'FileName' })

/** A range of a process's addresses. */
export interface WindowsMapping {
  readonly start: bigint
  /** Exclusive. */
  readonly end: bigint
  /** As /proc prints them: `r-xp`, `s` for what is shared. */
  readonly flags: string
  /** `PAGE_READWRITE`, `PAGE_EXECUTE_WRITECOPY`, ... as it was when the range was reserved. */
  readonly protection: string
  /** `image`: an executable file; `mapped`: another file, or shared memory; `private`: the process's own. */
  readonly kind: 'image' | 'mapped' | 'private'
  /** The file behind it, without its volume; empty where there is none. */
  readonly path: string
  /** Kernel virtual address of the descriptor. */
  readonly address: bigint
}

const PAGE_BITS = 12n
/** VadImageMap of _MI_VAD_TYPE. */
const IMAGE_MAP = 2
/** Lowest bits of an EX_FAST_REF: a count. */
const FAST_REF_64 = ~15n
const FAST_REF_32 = ~7n

/** MmProtectToValue: what the five bits of a protection mean, without those that say how it is cached or guarded. */
const PROTECTIONS = [
  ['PAGE_NOACCESS', '---'],
  ['PAGE_READONLY', 'r--'],
  ['PAGE_EXECUTE', '--x'],
  ['PAGE_EXECUTE_READ', 'r-x'],
  ['PAGE_READWRITE', 'rw-'],
  ['PAGE_WRITECOPY', 'rw-'],
  ['PAGE_EXECUTE_READWRITE', 'rwx'],
  ['PAGE_EXECUTE_WRITECOPY', 'rwx'],
] as const
const CACHING = ['', ' | PAGE_NOCACHE', ' | PAGE_GUARD', ' | PAGE_WRITECOMBINE'] as const

/** A range without access has all of the bits above (MM_NOACCESS), or that of a guard (MM_DECOMMIT): they say nothing more of it. */
function protectionName(protection: number): string {
  const [name] = PROTECTIONS[protection & 7] ?? PROTECTIONS[0]
  return (protection & 7) === 0 ? name : `${name}${CACHING[(protection >> 3) & 3] ?? ''}`
}

/** The mappings of the process whose `_EPROCESS` stands at `process`, ascending. */
export function windowsMaps(kernel: WindowsKernel, process: bigint): Listing<WindowsMapping> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const items: WindowsMapping[] = []
  const texts = new TextBudget(problems, 'VADs')
  for (const record of vadsOf(reader, process, problems)) {
    const mapping = describe(kernel, reader, record, texts)
    if (mapping !== undefined) items.push(mapping)
  }
  return {
    items: items.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0)),
    problems: problems.list,
  }
}

/** The descriptors of a process. */
export function vadsOf(reader: StructReader, process: bigint, problems: Problems): VadRecord[] {
  if (!reader.layout(VAD).has('start') || !reader.layout(PROCESS).has('vadRoot')) {
    problems.add('unknown', 'VADs: the layout of this kernel is not known')
    return []
  }
  const root = reader.record(PROCESS, process)?.pointer('vadRoot')
  if (root === undefined) {
    problems.add('absent', 'VADs: the process is not in memory', process)
    return []
  }
  return walkVads(reader, root, problems)
}

function describe(
  kernel: WindowsKernel,
  reader: StructReader,
  record: VadRecord,
  texts: TextBudget,
): WindowsMapping | undefined {
  const pages = pagesOf(record)
  if (pages === undefined) return undefined
  const isPrivate = record.number('privateMemory')
  const path = isPrivate === 1 ? undefined : texts.take(() => filePath(kernel, reader, record.address))
  const isImage = record.number('type') === IMAGE_MAP || record.number('imageMap') === 1
  const kind = isImage
    ? 'image'
    : isPrivate === 1 || (isPrivate === undefined && path === undefined)
      ? 'private'
      : 'mapped'
  const protection = record.number('protection') ?? 0
  const [name, letters] = PROTECTIONS[protection & 7] ?? PROTECTIONS[0]
  const copies =
    letters === 'rw-' || letters === 'rwx' ? (name.endsWith('WRITECOPY') ? 'p' : undefined) : undefined
  const shared = kind === 'private' || isImage ? 'p' : (copies ?? 's')
  return {
    start: BigInt(pages.first) << PAGE_BITS,
    end: BigInt(pages.last + 1) << PAGE_BITS,
    flags: `${letters}${shared}`,
    protection: protectionName(protection),
    kind,
    path: path ?? '',
    address: record.address,
  }
}

/** Through the subsection (6.1 and later) or at once to the control area, and to its file. */
function filePath(kernel: WindowsKernel, reader: StructReader, vad: bigint): string | undefined {
  const long = reader.record(MMVAD, vad)
  const subsection = long?.link('subsection')
  const area =
    long?.link('controlArea') ?? (subsection === undefined ? undefined : reader.pointer(subsection))
  const reference = area === undefined ? undefined : reader.record(CONTROL_AREA, area)?.link('file')
  if (reference === undefined) return undefined
  const file = reference & (reader.pointerBytes === 8 ? FAST_REF_64 : FAST_REF_32)
  const name = reader.record(FILE, file)?.addressOf('name')
  const path = name === undefined ? undefined : unicodeAt(kernel.memory, name)
  return path === '' ? undefined : path
}
