/** A process's memory descriptor (`mm_struct`, include/linux/mm_types.h). */
import { structSpec } from '../struct/layout.js'
import type { StructRecord } from '../struct/record.js'

/** What the lists read of an `mm_struct`. */
export const MM = structSpec('mm_struct', {
  mmap: 'mmap',
  tree: 'mm_mt',
  rbTree: 'mm_rb.rb_node',
  pgd: 'pgd',
  mapCount: 'map_count',
  startBrk: 'start_brk',
  brk: 'brk',
  startStack: 'start_stack',
  argStart: 'arg_start',
  argEnd: 'arg_end',
  envStart: 'env_start',
  envEnd: 'env_end',
})

export type MmKey = keyof (typeof MM)['members']
export type MmRecord = StructRecord<MmKey>
