/** The interrupt descriptor table of x86 (Intel SDM vol. 3A 6.10 to 6.14). */
import type { LinuxKernel } from './kernel.js'
import type { Problems } from './problem.js'
import type { StructReader } from './struct/reader.js'

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

/** The present gates of `idt_table`; none on other processors. */
export function interruptGates(
  kernel: LinuxKernel,
  reader: StructReader,
  problems: Problems,
): InterruptGate[] {
  if (kernel.architecture === 'aarch64') return []
  const table = kernel.symbols.addressOf('idt_table')
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
