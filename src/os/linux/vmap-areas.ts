/** What the kernel has mapped outside its image and direct map: `vmap_area`s (mm/vmalloc.c). */

import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'

/** One area. */
export interface VmapArea {
  readonly start: bigint
  readonly bytes: number
  /** Memory that the kernel allocated for it: not a device's. */
  readonly allocated: boolean
}

const VMAP_AREA = structSpec('vmap_area', { start: 'va_start', end: 'va_end', list: 'list', vm: 'vm' })
const VM_STRUCT = structSpec('vm_struct', { flags: 'flags' })
const VMAP_NODE = structSpec('vmap_node', { busy: 'busy.head' })

/** `VM_ALLOC` of include/linux/vmalloc.h. */
const VM_ALLOC = 2
const MAX_AREAS = 2 ** 16
/** One a processor and a little more. */
const MAX_NODES = 1024

/** The areas in use, unsorted. */
export function vmapAreas(kernel: LinuxKernel, reader: StructReader, problems: Problems): VmapArea[] {
  const offset = reader.layout(VMAP_AREA).offset('list')
  const heads = listHeads(kernel, reader)
  if (offset === undefined || heads.length === 0) {
    problems.add('unknown', 'vmap areas: neither vmap_area_list nor vmap_nodes is known')
    return []
  }
  const areas: VmapArea[] = []
  for (const head of heads) {
    const nodes = walkList(reader, head, problems, { what: 'vmap areas', max: MAX_AREAS - areas.length })
    for (const node of nodes) {
      const record = reader.record(VMAP_AREA, node - BigInt(offset))
      const start = record?.bigint('start')
      const end = record?.bigint('end')
      if (start === undefined || end === undefined || end <= start) continue
      const vm = record?.link('vm')
      const flags = vm === undefined ? undefined : reader.record(VM_STRUCT, vm)?.bigint('flags')
      const allocated = flags !== undefined && (flags & BigInt(VM_ALLOC)) !== 0n
      areas.push({ start, bytes: Number(end - start), allocated })
    }
  }
  return areas
}

/** One list, or since 6.9 one a node. */
function listHeads(kernel: LinuxKernel, reader: StructReader): bigint[] {
  const single = kernel.symbols.addressOf('vmap_area_list')
  if (single !== undefined) return [single]
  const nodesAt = kernel.symbols.addressOf('vmap_nodes')
  const countAt = kernel.symbols.addressOf('nr_vmap_nodes')
  const stride = reader.types.sizeOf('vmap_node')
  const busy = reader.layout(VMAP_NODE).offset('busy')
  const nodes = nodesAt === undefined ? undefined : reader.pointer(nodesAt)
  const count = countAt === undefined ? 1 : (reader.u32(countAt) ?? 1)
  if (nodes === undefined || stride === undefined || busy === undefined) return []
  const heads: bigint[] = []
  for (let i = 0; i < Math.min(count, MAX_NODES); i++) heads.push(nodes + BigInt(i * stride + busy))
  return heads
}
