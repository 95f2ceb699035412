/** Enumerates address spaces on this thread and the workers at once: the first worker boots meanwhile. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PhysicalMemory } from '../core/memory.js'
import type { EnumerateTask } from '../scan/messages.js'
import { type EnumeratedSpace, SpaceEnumerator, type SpaceQuery } from '../space/enumerate.js'
import type { ScanPool } from './pool.js'

/** Spaces in one task: enough to make a message's cost vanish. */
const TASK_SPACES = 16
/** More threads are started when this one has been at it so long, and has as long to go. */
const THREADS_PAY_MS = 200

/** Answers all queries, in their order. `memory` is this thread's. */
export async function enumerateAll(
  pool: ScanPool,
  memory: PhysicalMemory,
  common: Omit<EnumerateTask, 'queries'>,
  queries: readonly SpaceQuery[],
  jobs: number,
): Promise<EnumeratedSpace[]> {
  const answers: EnumeratedSpace[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < queries.length) {
      const from = next
      const part = queries.slice(from, from + TASK_SPACES)
      next += part.length
      for (const [index, answer] of (await pool.enumerate({ ...common, queries: part })).entries())
        answers[from + index] = answer
    }
  }
  const started = performance.now()
  const lanes = [work()]
  const enumerator = new SpaceEnumerator(memory, common.rules)
  while (next < queries.length) {
    const index = next++
    answers[index] = enumerator.enumerate(queries[index] as SpaceQuery)
    await nextTurn()
    const elapsed = performance.now() - started
    if (
      lanes.length < jobs &&
      elapsed > THREADS_PAY_MS &&
      elapsed * (queries.length - next) > elapsed * next
    ) {
      pool.widen()
      while (lanes.length < jobs) lanes.push(work())
    }
  }
  await Promise.all(lanes)
  return answers
}
