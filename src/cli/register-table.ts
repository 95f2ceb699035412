/** Registers in the order a person looks for them. */
import { hex } from '../core/address.js'
import { escapeText } from './escape.js'

/** A processor's registers; `vcpu` is null where nothing tells which it is. */
export interface Registers {
  readonly vcpu: number | null
  readonly registers: Readonly<Record<string, bigint>>
}

const ORDER = [
  'rip rsp rbp rflags rax rbx rcx rdx rsi rdi r8 r9 r10 r11 r12 r13 r14 r15',
  'eip esp ebp eflags eax ebx ecx edx esi edi',
  `pc sp pstate ${Array.from({ length: 31 }, (_, i) => `x${i}`).join(' ')}`,
  'cr0 cr2 cr3 cr4 cr8 efer ttbr0_el1 ttbr1_el1 tcr_el1 sctlr_el1',
]
  .join(' ')
  .split(' ')
const RANK = new Map(ORDER.map((name, at) => [name, at]))
const COLUMNS = 4
const SEGMENT = /^([c-gs]s|ldt|tr|gdt|idt)(|_base|_limit|_flags)$/
const SEGMENTS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'ldt', 'tr', 'gdt', 'idt']
const SEGMENT_PARTS = ['', '_base', '_limit', '_flags']

/** Names and values as JSON shows them, the best known first. */
export function registerFields(
  registers: Readonly<Record<string, bigint>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(sorted(registers).map(([name, value]) => [name, hex(value)]))
}

/** A vCPU's registers as lines of four; a segment has a line of its own. */
export function* registerLines({ vcpu, registers }: Registers): Generator<string> {
  yield vcpu === null ? 'the processor that wrote the dump\n' : `vcpu ${vcpu}\n`
  const cells = sorted(registers).map(([name, value]) => ({ name: escapeText(name), value: hex(value) }))
  const nameWidth = Math.max(0, ...cells.map(({ name }) => name.length))
  const valueWidth = Math.max(0, ...cells.map(({ value }) => value.length))
  let row: string[] = []
  let group = ''
  const flush = (): string => `  ${row.join('  ').trimEnd()}\n`
  for (const { name, value } of cells) {
    if (row.length > 0 && (row.length === COLUMNS || groupOf(name) !== group)) {
      yield flush()
      row = []
    }
    group = groupOf(name)
    row.push(`${name.padEnd(nameWidth)} ${value.padEnd(valueWidth)}`)
  }
  if (row.length > 0) yield flush()
}

function groupOf(name: string): string {
  const segment = SEGMENT.exec(name)?.[1]
  if (segment !== undefined) return segment
  if (/^dr\d$/.test(name)) return 'debug'
  return /^(cr\d|efer|\w+_el\d)$/.test(name) ? 'control' : 'general'
}

function sorted(registers: Readonly<Record<string, bigint>>): [string, bigint][] {
  return Object.entries(registers).sort(([a], [b]) => rankOf(a) - rankOf(b))
}

/** What is not known by name stands between the general registers and the segments. */
function rankOf(name: string): number {
  const known = RANK.get(name)
  if (known !== undefined) return known
  const [, segment, part = ''] = SEGMENT.exec(name) ?? []
  if (segment === undefined) return ORDER.length
  return ORDER.length + 1 + SEGMENTS.indexOf(segment) * SEGMENT_PARTS.length + SEGMENT_PARTS.indexOf(part)
}
