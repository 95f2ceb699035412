/** Enumerates address spaces: the coordinator puts the extents of all workers together. */
import { openMemory } from '../src/drivers/open.js'
import type { DriverSpec } from '../src/drivers/spec.js'
import { rebased } from '../src/os/search/physical.js'
import { unpack } from '../src/scan/context.js'
import type { EnumerateAnswer, EnumerateTask } from '../src/scan/messages.js'
import { SpaceEnumerator } from '../src/space/enumerate.js'

/** Answers one task with memory of its own: page tables lie scattered, so it is copied from, not mapped. */
export function enumerateSpaces(task: EnumerateTask): EnumerateAnswer {
  const driver = unpack(task.driver) as DriverSpec
  using memory = openMemory({ ...driver, map: false })
  const enumerator = new SpaceEnumerator(rebased(memory, task.base), task.rules)
  return task.queries.map(query => enumerator.enumerate(query))
}
