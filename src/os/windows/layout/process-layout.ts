/**
 * Layouts of the process and thread structures without a profile: what the kernel's own accessor functions say first, then the table of
 * known builds, as far as the two agree.
 */
import type { VirtualMemory } from '../../../core/virtual-memory.js'
import type { SymbolTable } from '../../../symbols/contract.js'
import type { Access } from '../code/accessor.js'
import { decodeArm64 } from '../code/arm64.js'
import { decodeX86 } from '../code/x86.js'
import { presentBytes } from '../pe/image.js'
import { type ProcessRow, rowsFor } from './by-build.js'
import type { FactTypes } from './facts.js'
import { member } from './structure.js'
import type { WindowsMachine, WindowsVersion } from './version.js'

/** An accessor and the member it gives: by the last step from the argument, or the first one where it follows what it finds. */
interface Accessor {
  readonly name: string
  readonly type: '_EPROCESS' | '_ETHREAD'
  readonly member: string
  readonly kind: Access['kind']
  /** `thread`: it starts from the current thread, whose process comes first. */
  readonly root?: 'thread'
  /** Bytes of the member; 0 is a pointer. */
  readonly bytes: number
}

const PROCESS = '_EPROCESS'
const THREAD = '_ETHREAD'

/** Exports of ntoskrnl (5.1 and later, some later). */
const ACCESSORS: readonly Accessor[] = [
  { name: 'PsGetProcessId', type: PROCESS, member: 'UniqueProcessId', kind: 'load', bytes: 0 },
  { name: 'PsGetProcessImageFileName', type: PROCESS, member: 'ImageFileName', kind: 'address', bytes: 15 },
  { name: 'PsGetProcessPeb', type: PROCESS, member: 'Peb', kind: 'load', bytes: 0 },
  {
    name: 'PsGetProcessInheritedFromUniqueProcessId',
    type: PROCESS,
    member: 'InheritedFromUniqueProcessId',
    kind: 'load',
    bytes: 0,
  },
  {
    name: 'PsGetProcessSectionBaseAddress',
    type: PROCESS,
    member: 'SectionBaseAddress',
    kind: 'load',
    bytes: 0,
  },
  { name: 'PsGetProcessCreateTimeQuadPart', type: PROCESS, member: 'CreateTime', kind: 'load', bytes: 8 },
  { name: 'PsGetProcessExitTime', type: PROCESS, member: 'ExitTime', kind: 'load', root: 'thread', bytes: 8 },
  { name: 'PsGetProcessExitStatus', type: PROCESS, member: 'ExitStatus', kind: 'load', bytes: 4 },
  { name: 'PsGetProcessWow64Process', type: PROCESS, member: 'Wow64Process', kind: 'load', bytes: 0 },
  { name: 'PsGetProcessSessionId', type: PROCESS, member: 'Session', kind: 'load', bytes: 0 },
  { name: 'PsGetProcessSessionIdEx', type: PROCESS, member: 'Session', kind: 'load', bytes: 0 },
  { name: 'PsGetProcessDebugPort', type: PROCESS, member: 'DebugPort', kind: 'load', bytes: 0 },
  { name: 'PsGetProcessJob', type: PROCESS, member: 'Job', kind: 'load', bytes: 0 },
  { name: 'PsGetProcessWin32Process', type: PROCESS, member: 'Win32Process', kind: 'load', bytes: 0 },
  { name: 'PsGetThreadProcessId', type: THREAD, member: 'Cid.UniqueProcess', kind: 'load', bytes: 0 },
  { name: 'PsGetThreadId', type: THREAD, member: 'Cid.UniqueThread', kind: 'load', bytes: 0 },
  { name: 'PsGetThreadTeb', type: THREAD, member: 'Tcb.Teb', kind: 'load', bytes: 0 },
]

/** Members larger than any structure are no members. */
const MAX_OFFSET = 0x2000

/** What an accessor's code says; undefined where it is not in memory, or no such code. */
export function readAccessor(
  memory: VirtualMemory,
  machine: WindowsMachine,
  address: bigint,
): Access | undefined {
  const fetch = (offset: number, length: number) => presentBytes(memory, address + BigInt(offset), length)
  return machine === 'arm64' ? decodeArm64(fetch) : decodeX86(fetch, machine === 'x64' ? 64 : 32)
}

/** Offset of the member that an access tells. */
function offsetOf(access: Access, wanted: Accessor): number | undefined {
  if (access.root !== (wanted.root ?? 'argument')) return undefined
  if (wanted.kind === 'address' && (access.kind !== 'address' || access.steps.length !== 1)) return undefined
  if (wanted.kind === 'load' && access.kind !== 'load') return undefined
  // from the current thread the first step leads to its process
  const offset = access.steps[wanted.root === 'thread' ? 1 : 0]
  if (wanted.root === 'thread' && access.steps.length !== 2) return undefined
  return offset !== undefined && offset >= 0 && offset < MAX_OFFSET ? offset : undefined
}

/** Adds what the accessors tell; the names of those that did. */
export function addAccessors(
  facts: FactTypes,
  memory: VirtualMemory,
  symbols: SymbolTable,
  machine: WindowsMachine,
): string[] {
  const wide = machine !== 'x86'
  const told: string[] = []
  for (const wanted of ACCESSORS) {
    const address = symbols.addressOf(wanted.name)
    const access = address === undefined ? undefined : readAccessor(memory, machine, address)
    const offset = access === undefined ? undefined : offsetOf(access, wanted)
    if (offset === undefined) continue
    const { bytes } = wanted
    const found = bytes === 0 ? member(offset, 'pointer', wide) : { offset, bytes }
    if (facts.add(wanted.type, wanted.member, found, `accessor ${wanted.name}`)) told.push(wanted.name)
  }
  const id = facts.member(PROCESS, 'UniqueProcessId')
  if (id !== undefined)
    facts.add(
      PROCESS,
      'ActiveProcessLinks',
      member(id.offset + (wide ? 8 : 4), 'list', wide),
      'follows UniqueProcessId',
    )
  return told
}

/**
 * Adds the row of the build, or of the nearest one, that agrees with all that the accessors told. Lines for a row of the very build
 * that disagrees.
 */
export function addTable(facts: FactTypes, version: WindowsVersion): string[] {
  const disagreements: string[] = []
  const rows = rowsFor(version.machine, version.build)
  const own = rows.filter(({ builds }) => version.build >= builds[0] && version.build <= builds[1])
  const fitting = own.filter(each => conflicts(facts, each).length === 0)
  const row = fitting[0] ?? rows.find(each => conflicts(facts, each).length === 0)
  if (row !== undefined && (own.includes(row) || agreements(facts, row) >= 3))
    addRow(facts, row, version, own.includes(row), disputed(row, fitting))
  const wrong = own[0]
  if (row === undefined || !own.includes(row))
    for (const line of wrong === undefined ? [] : conflicts(facts, wrong)) disagreements.push(line)
  return disagreements
}

const COLUMNS = ['UniqueProcessId', 'ImageFileName', 'Peb', 'VadRoot'] as const

function members(row: ProcessRow): [string, number][] {
  const columns = COLUMNS.flatMap((name): [string, number][] => {
    const offset = row[name]
    return offset === undefined ? [] : [[name, offset]]
  })
  return [...columns, ...Object.entries(row.more)]
}

function conflicts(facts: FactTypes, row: ProcessRow): string[] {
  return members(row).flatMap(([name, offset]) => {
    const told = facts.member(PROCESS, name)
    if (told === undefined || told.offset === offset) return []
    const from = facts.from(PROCESS, name) ?? ''
    return [
      `_EPROCESS.${name}: 0x${told.offset.toString(16)} by ${from}, 0x${offset.toString(16)} by the table`,
    ]
  })
}

/** Members that stand elsewhere in another row that may be the build's: updates move them, and data tells. */
function disputed(row: ProcessRow, fitting: readonly ProcessRow[]): ReadonlySet<string> {
  const others = fitting.filter(each => each.UniqueProcessId === row.UniqueProcessId)
  const names = members(row).filter(([name, offset]) =>
    others.some(other => members(other).some(each => each[0] === name && each[1] !== offset)),
  )
  return new Set(names.map(([name]) => name))
}

function agreements(facts: FactTypes, row: ProcessRow): number {
  return members(row).filter(([name, offset]) => facts.member(PROCESS, name)?.offset === offset).length
}

function addRow(
  facts: FactTypes,
  row: ProcessRow,
  version: WindowsVersion,
  own: boolean,
  without: ReadonlySet<string>,
): void {
  const wide = version.machine !== 'x86'
  const builds = row.builds[0] === row.builds[1] ? String(row.builds[0]) : row.builds.join('-')
  const note = own ? '' : ', of another build'
  const source = (sources: readonly string[]) =>
    `table ${builds} (${sources.join(', ')}${sources.length === 1 ? ', one source' : ''}${note})`
  for (const [name, offset] of members(row)) {
    if (without.has(name)) continue
    const from = source(name in row.more ? row.moreSources : row.sources)
    if (name === 'ImageFileName') facts.add(PROCESS, name, { offset, bytes: 15 }, from)
    else if (name.endsWith('Time')) facts.add(PROCESS, name, { offset, bytes: 8 }, from)
    else if (name === 'ActiveThreads') facts.add(PROCESS, name, { offset, bytes: 4 }, from)
    else if (name === 'ThreadListHead') facts.add(PROCESS, name, member(offset, 'list', wide), from)
    // since 10586 the member is a structure's address, not the 32-bit PEB's
    else
      facts.add(
        PROCESS,
        name === 'WoW64Process' ? 'Wow64Process' : name,
        member(offset, 'pointer', wide),
        from,
      )
  }
  facts.add(
    PROCESS,
    'ActiveProcessLinks',
    member(row.UniqueProcessId + (wide ? 8 : 4), 'list', wide),
    'follows UniqueProcessId',
  )
}
