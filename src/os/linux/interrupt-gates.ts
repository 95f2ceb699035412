/** The interrupt descriptor table of x86 (Intel SDM vol. 3A 6.10 to 6.14). */

import type { Problems } from '../problem.js'
import type { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'
import { type Landmark, searchTable } from './landmark-search.js'

/** A gate that is present. */
export interface InterruptGate {
  readonly vector: number
  readonly handler: bigint
}

const VECTORS = 256
const PRESENT = 0x80
/** Task gates lead to a task segment instead of a handler. */
const TYPE_MASK = 0x1f
const TASK_GATE = 5

/** Vectors of exceptions and their handlers, under the names they have since 5.8 and had before (arch/x86/kernel/idt.c). */
const HANDLERS: readonly (readonly [vector: number, name: string, older: string])[] = [
  [0, 'asm_exc_divide_error', 'divide_error'],
  [5, 'asm_exc_bounds', 'bounds'],
  [6, 'asm_exc_invalid_op', 'invalid_op'],
  [7, 'asm_exc_device_not_available', 'device_not_available'],
  [11, 'asm_exc_segment_not_present', 'segment_not_present'],
  [12, 'asm_exc_stack_segment', 'stack_segment'],
  [13, 'asm_exc_general_protection', 'general_protection'],
  [14, 'asm_exc_page_fault', 'page_fault'],
  [16, 'asm_exc_coprocessor_error', 'coprocessor_error'],
]
/** `__KERNEL_CS` of arch/x86/include/asm/segment.h. */
const KERNEL_CODE = { 4: 0x60, 8: 0x10 } as const
const INTERRUPT_GATE = 0x8e
/** `idt_table` begins a page. */
const TABLE_ALIGNMENT = 4096

/**
 * The present gates of `idt_table`; none on other processors. Where kallsyms has functions only, the table is found by the
 * handlers of exceptions.
 */
export function interruptGates(
  kernel: LinuxKernel,
  reader: StructReader,
  problems: Problems,
): InterruptGate[] {
  if (kernel.architecture === 'aarch64') return []
  const table =
    kernel.symbols.addressOf('idt_table') ??
    searchTable(kernel, reader, landmarks(kernel, reader), TABLE_ALIGNMENT)
  const gateBytes = reader.pointerBytes * 2
  const bytes = table === undefined ? undefined : reader.bytes(table, VECTORS * gateBytes)
  if (bytes === undefined) {
    problems.add(
      'unknown',
      `integrity: ${table === undefined ? 'no symbol idt_table' : 'idt_table is not in memory'}`,
    )
    return []
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const gates: InterruptGate[] = []
  for (let vector = 0; vector < VECTORS; vector++) {
    const at = vector * gateBytes
    const access = view.getUint8(at + 5)
    if ((access & PRESENT) === 0 || (access & TYPE_MASK) === TASK_GATE) continue
    const low = view.getUint16(at, true) + view.getUint16(at + 6, true) * 2 ** 16
    const high = gateBytes === 16 ? view.getUint32(at + 8, true) : 0
    gates.push({ vector, handler: (BigInt(high) << 32n) + BigInt(low) })
  }
  return gates
}

/** The gates of exceptions, as bytes; of 64-bit ones the first half. */
function landmarks(kernel: LinuxKernel, { pointerBytes }: StructReader): Landmark[] {
  return HANDLERS.flatMap(([vector, name, older]) => {
    const handler = kernel.symbols.addressOf(name) ?? kernel.symbols.addressOf(older)
    if (handler === undefined) return []
    const bytes = Buffer.alloc(8)
    bytes.writeUInt16LE(Number(handler & 0xffffn), 0)
    bytes.writeUInt16LE(KERNEL_CODE[pointerBytes], 2)
    bytes[5] = INTERRUPT_GATE
    bytes.writeUInt16LE(Number((handler >> 16n) & 0xffffn), 6)
    return [{ offset: vector * pointerBytes * 2, bytes }]
  })
}
