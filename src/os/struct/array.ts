/** Arrays of structures, read at once. */
import type { StructSpec } from './layout.js'
import type { StructReader } from './reader.js'
import { StructRecord } from './record.js'

/** `VirtualMemory.read` takes no more at once. */
const MAX_ARRAY_BYTES = 64 << 20

/**
 * An array of `count` structures at `address`: gives the element at an index. Undefined for an index outside, an element that is
 * not in memory, or where this kernel lacks the type. Arrays beyond 64 MiB are cut.
 */
export function structArray<K extends string>(
  reader: StructReader,
  spec: StructSpec<K>,
  address: bigint,
  count: number,
): (index: number) => StructRecord<K> | undefined {
  const layout = reader.layout(spec)
  const { sizeBytes, spanOffset, spanBytes } = layout
  if (sizeBytes === 0 || spanBytes === 0 || count <= 0 || !reader.isKernelAddress(address))
    return () => undefined
  const held = Math.min(count, Math.floor(MAX_ARRAY_BYTES / sizeBytes))
  const { bytes, absent } = reader.memory.read(address, held * sizeBytes)
  return index => {
    if (!Number.isInteger(index) || index < 0 || index >= held) return undefined
    const start = index * sizeBytes + spanOffset
    const holes: number[] = []
    let missing = 0
    for (const hole of absent) {
      const from = Math.max(Number(hole.va - address) - start, 0)
      const to = Math.min(Number(hole.va - address) - start + hole.length, spanBytes)
      if (to <= from) continue
      holes.push(from, to)
      missing += to - from
    }
    if (missing >= spanBytes) return undefined
    return new StructRecord(
      layout,
      address + BigInt(index * sizeBytes),
      bytes.subarray(start, start + spanBytes),
      holes,
      reader.pointerBytes,
    )
  }
}
