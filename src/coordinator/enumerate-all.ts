/** Enumerates address spaces on this thread and the workers at once: the first worker boots meanwhile. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PhysicalMemory } from '../core/memory.js'
import type { EnumerateTask } from '../scan/messages.js'
import {
  type EnumeratedSpace,
  NOTHING_ABSENT,
  NOTHING_SWAPPED,
  SpaceEnumerator,
  type SpaceQuery,
} from '../space/enumerate.js'
import { NO_EXTENTS } from '../space/extents.js'
import type { ScanPool } from './pool.js'

/** Spaces in one task: enough to make a message's cost vanish. */
const TASK_SPACES = 16
/** More threads are started when this one has been at it so long, and has as long to go. */
const THREADS_PAY_MS = 200
/** Hostile tables can take a second each: after so long no further space is begun. */
const MAX_MS = 30_000
/** Extents of all spaces together at most: 600 MB. What comes after is left out, and told. */
const MAX_EXTENTS = 1 << 24
/** Entries of swapped pages of all spaces together: 8 GiB of small pages. The rest are gaps that name no slot. */
const MAX_SWAPPED = 1 << 21

const NOTHING: EnumeratedSpace = { extents: NO_EXTENTS, absent: NOTHING_ABSENT }

/** Answers all queries, in their order; with nothing, those that a bound or `cancelled` leaves out. `memory` is this thread's. */
export async function enumerateAll(
  pool: ScanPool,
  memory: PhysicalMemory,
  common: Omit<EnumerateTask, 'queries'>,
  queries: readonly SpaceQuery[],
  jobs: number,
  cancelled: () => boolean,
): Promise<EnumeratedSpace[]> {
  const answers: EnumeratedSpace[] = []
  const started = performance.now()
  let next = 0
  let extents = 0
  let swapped = 0
  const take = (index: number, answer: EnumeratedSpace): void => {
    extents += answer.extents.vpn.length
    answers[index] = extents > MAX_EXTENTS ? NOTHING : answer
    if (extents > MAX_EXTENTS) return
    swapped += answer.absent.swapped.vpn.length
    if (swapped > MAX_SWAPPED)
      answers[index] = { ...answer, absent: { ...answer.absent, swapped: NOTHING_SWAPPED } }
  }
  const more = (): boolean =>
    next < queries.length && extents <= MAX_EXTENTS && !cancelled() && performance.now() - started < MAX_MS
  const work = async (): Promise<void> => {
    while (more()) {
      const from = next
      const part = queries.slice(from, from + TASK_SPACES)
      next += part.length
      for (const [index, answer] of (await pool.enumerate({ ...common, queries: part })).entries())
        take(from + index, answer)
    }
  }
  const lanes = [work()]
  const enumerator = new SpaceEnumerator(memory, common.rules)
  while (more()) {
    const index = next++
    take(index, enumerator.enumerate(queries[index] as SpaceQuery))
    await nextTurn()
    const elapsed = performance.now() - started
    if (lanes.length < jobs && elapsed > THREADS_PAY_MS && queries.length - next > next) {
      pool.widen()
      while (lanes.length < jobs) lanes.push(work())
    }
  }
  await Promise.all(lanes)
  for (let index = 0; index < queries.length; index++) answers[index] ??= NOTHING
  return answers
}
