/** What the lists read of a process (`_EPROCESS`). */
import { structSpec } from '../struct/layout.js'
import type { StructRecord } from '../struct/record.js'

/** Names differ between versions; the first that there is counts. */
export const PROCESS = structSpec('_EPROCESS', {
  dtb: 'Pcb.DirectoryTableBase',
  pid: 'UniqueProcessId',
  links: 'ActiveProcessLinks',
  parent: 'InheritedFromUniqueProcessId',
  name: 'ImageFileName',
  peb: 'Peb',
  wow64: ['WoW64Process', 'Wow64Process'],
  session: 'Session',
  createTime: 'CreateTime',
  exitTime: 'ExitTime',
  activeThreads: 'ActiveThreads',
  threads: 'ThreadListHead',
  objectTable: 'ObjectTable',
  sectionBase: 'SectionBaseAddress',
  vadRoot: ['VadRoot.BalancedRoot.RightChild', 'VadRoot.Root', 'VadRoot'],
})

export type ProcessKey = keyof (typeof PROCESS)['members']
export type ProcessRecord = StructRecord<ProcessKey>

/** Most processes taken of one list or table. */
export const MAX_PROCESSES = 1 << 16
/** Process ids are handles: multiples of 4, below the size of the largest handle table. */
export const MAX_PID = 1 << 26
