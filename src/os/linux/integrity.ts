/** Pointers to code that lead elsewhere than they should: system calls, interrupt gates, tables of operations. */
import type { PhysicalMemory } from '../../core/memory.js'
import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import { bpfPrograms } from './bpf-programs.js'
import { type CodeOwner, CodeOwners } from './code-owners.js'
import { interruptGates } from './interrupt-gates.js'
import type { LinuxKernel } from './kernel.js'
import { modules } from './modules.js'
import { operationPointers } from './operation-tables.js'
import { SYSTEM_CALL_TABLES, systemCalls } from './system-calls.js'
import { textJumps } from './text-hooks.js'
import { UserMemory } from './user-memory.js'

/** A pointer that leads to the wrong place. */
export interface IntegrityFinding {
  /** The table: `sys_call_table`, `idt_table`, the name of a table of operations; or of a function that jumps away. */
  readonly where: string
  /** Number of the system call, the vector, the word in a table of operations; or bytes into the function. */
  readonly index: number
  /** Where it leads. */
  readonly address: bigint
  readonly owner: CodeOwner
}

/** What was looked at, and what is wrong with it. */
export interface IntegrityReport extends Listing<IntegrityFinding> {
  /** Entries checked, by table; a table that could not be found is absent and stands in `problems`. */
  readonly checked: ReadonlyMap<string, number>
}

const MAX_FINDINGS = 10_000
/** Under these names `checked` counts the words of all tables of operations, and the functions that start with a jump. */
const OPERATIONS = 'operations'
const JUMPS = 'jumps'

/**
 * Checks that every system call and every interrupt gate leads into the kernel's text, and that every pointer to executable
 * memory in the kernel's tables of operations, and every jump at the start of one of its functions (x86), leads into its text, a
 * known module or compiled BPF.
 */
export function checkIntegrity(kernel: LinuxKernel, memory: PhysicalMemory): IntegrityReport {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const loaded = { modules: modules(kernel).items, bpf: bpfPrograms(kernel, reader, problems) }
  const owners = new CodeOwners(kernel, loaded)
  const checked = new Map<string, number>()
  const items: IntegrityFinding[] = []
  if (!owners.known) {
    problems.add('unknown', 'integrity: the symbols _stext and _etext are not known')
    return { items, problems: problems.list, checked }
  }
  const judge = (where: string, index: number, address: bigint): void => {
    const owner = owners.ownerOf(address)
    if (owner.kind !== 'kernel-text' && items.length < MAX_FINDINGS)
      items.push({ where, index, address, owner })
  }
  for (const table of SYSTEM_CALL_TABLES) {
    const calls = systemCalls(kernel, reader, table)
    if (calls.length === 0) continue
    checked.set(table, calls.length)
    calls.forEach((address, index) => {
      judge(table, index, address)
    })
  }
  if (checked.size === 0) problems.add('unknown', 'integrity: no symbol sys_call_table')
  const gates = interruptGates(kernel, reader, problems)
  if (gates.length > 0) checked.set('idt_table', gates.length)
  for (const { vector, handler } of gates) judge('idt_table', vector, handler)
  const { kernelSpace } = new UserMemory(kernel, memory)
  const operations = operationPointers(kernel, reader)
  checked.set(OPERATIONS, operations.length)
  for (const { table, index, address } of operations) {
    const owner = owners.ownerOf(address)
    if (owner.kind !== 'nobody' || items.length >= MAX_FINDINGS) continue
    // most words of such tables are no code: only what can be executed counts
    const place = kernelSpace.translate(address)
    if (place.kind === 'mapped' && place.executable) items.push({ where: table, index, address, owner })
  }
  const jumps = textJumps(kernel, reader)
  if (jumps.length > 0) checked.set(JUMPS, jumps.length)
  for (const { symbol, offset, target } of jumps) {
    const owner = owners.ownerOf(target)
    const astray = owner.kind === 'nobody' || owner.kind === 'kernel-data'
    if (astray && items.length < MAX_FINDINGS)
      items.push({ where: symbol, index: offset, address: target, owner })
  }
  return { items, problems: problems.list, checked }
}
