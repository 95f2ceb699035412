/** Handles of a process. */
import { type Listing, Problems } from '../problem.js'
import { StructReader } from '../struct/reader.js'
import { walkHandles } from './handle-table.js'
import type { WindowsKernel } from './kernel.js'
import { ObjectReader } from './objects.js'
import { PROCESS } from './process-structs.js'
import { TextBudget } from './strings.js'

/** A handle, and what it leads to. */
export interface WindowsHandle {
  readonly handle: number
  /** `File`, `Key`, `Process`, ...; absent where it can't be told. */
  readonly type?: string
  /** The object's name; a file's path; of a process its id and name. */
  readonly name?: string
  /** Rights that were granted. */
  readonly access: number
  /** Kernel virtual address of the object. */
  readonly address: bigint
}

/** The handles of the process whose `_EPROCESS` stands at `process`. */
export function windowsHandles(kernel: WindowsKernel, process: bigint): Listing<WindowsHandle> {
  const problems = new Problems()
  const reader = new StructReader(kernel)
  const objects = new ObjectReader(kernel, reader)
  const record = reader.record(PROCESS, process)
  const table = record?.link('objectTable')
  if (table === undefined) {
    const known = reader.layout(PROCESS).has('objectTable')
    problems.add(
      'unknown',
      known ? 'handles: the process has no table of them' : 'handles: no member _EPROCESS.ObjectTable',
    )
    return { items: [], problems: known ? [] : problems.list }
  }
  const items: WindowsHandle[] = []
  const texts = new TextBudget(problems, 'handles')
  for (const { handle, address, access } of walkHandles(kernel, reader, table, 'handles', problems)) {
    const type = objects.typeName(address)
    const body = objects.bodyOf(address)
    const name = texts.take(() =>
      type === 'Process' ? processName(reader, body) : objects.name(address, type),
    )
    items.push({
      handle,
      ...(type !== undefined && { type }),
      ...(name !== undefined && { name }),
      access,
      address: body,
    })
  }
  return { items, problems: problems.list }
}

function processName(reader: StructReader, address: bigint): string | undefined {
  const record = reader.record(PROCESS, address)
  const pid = record?.number('pid')
  return pid === undefined ? undefined : `${pid} ${record?.text('name') ?? ''}`
}
