/**
 * The partitions that are out with workers: keeps every slot busy, tries again what fails, and puts batches in order
 * where order is asked for.
 *
 * Exactly once: a batch says up to where its partition is told (`resumeAt`, and how many matches of the block there).
 * A second attempt starts at that place, so what a dead worker had already posted is neither lost nor repeated; batches
 * of an attempt that was given up are dropped.
 */
import { setImmediate as nextTick, setTimeout as sleep } from 'node:timers/promises'
import { type ErrorRecord, fromRecord, toRecord, VmsiftError } from '../core/errors.js'
import type { Packed } from '../scan/context.js'
import type { ControlBlock } from '../scan/control.js'
import type { Batch } from '../scan/messages.js'
import type { Partition } from '../scan/plan.js'
import type { ScanPool } from './pool.js'

/** A partition gets this many tries. */
export const ATTEMPTS = 2
/**
 * Another thread pays when so much is left to do: it takes about 80 ms to start, at the cost of those that run where
 * processors are threads of one core.
 */
const THREAD_PAYS_MS = 400
const WARM_UP_MS = 100
/** After a stop, what workers have found already gets this long to arrive. */
const LAST_WORDS_MS = 200

export interface Crew {
  readonly pool: ScanPool
  readonly control: ControlBlock
  /** The workers' context, packed. */
  readonly context: Packed
  /** Partitions that may be out at a time. */
  readonly slots: number
  /** Deliver partitions in ascending order. */
  readonly sort: boolean
  /** The work is known to be worth every thread. */
  readonly slow: boolean
}

export interface FlightReports {
  /** A batch has arrived, in any order. */
  arrived(batch: Batch): void
  /** A batch's turn has come; `taken` is to be called when it has been consumed, which lets its worker go on. */
  deliver(batch: Batch, taken: () => void): void
  /** Every attempt failed: `from` ≤ gpa < `partition.end` was not scanned. */
  givenUp(partition: Partition, from: number, error: ErrorRecord): void
}

/** A partition that is out with a worker. */
interface Flight {
  readonly partition: Partition
  readonly slot: number
  attempt: number
  resumeAt: number
  resumeSkip: number
  landed: boolean
  /** Batches whose turn has not come. */
  readonly held: Batch[]
  /** The last batch has arrived. */
  readonly ended: PromiseWithResolvers
  /** Sorted order: it is this partition's turn. */
  readonly first: PromiseWithResolvers
  /** Sorted order: everything has been delivered. */
  readonly delivered: PromiseWithResolvers
}

export class Flights {
  readonly #reports: FlightReports
  readonly #out = new Map<number, Flight>()
  readonly #stopped = withResolvers()
  readonly #lastWords = this.#stopped.promise.then(() => sleep(LAST_WORDS_MS, undefined, { ref: false }))
  #crew: Crew | undefined
  #stop = false
  #bytesBehind = 0
  #mostDone = 0
  /** Only the first lane runs, and so one thread. */
  #alone = true
  /** What the last partition took its worker. */
  #lastMs = 0
  /** Batches of each slot that have arrived and are not consumed: a worker's credit outlives its partition. */
  #unread = new Int32Array(0)
  /** Sorted order: the lowest partition that is not yet delivered. */
  #head = 0
  /** Partitions of guest physical memory that are not done; those of `joints` need what they bring. */
  #framesLeft = 0
  readonly #framesDone = withResolvers()

  constructor(reports: FlightReports) {
    this.#reports = reports
  }

  /** Hands out no more partitions, and waits only briefly for those that are out. */
  cancel(): void {
    this.#stop = true
    this.#stopped.resolve()
  }

  /** Resolves when all partitions are told, given up, or stopped. */
  async run(crew: Crew, partitions: readonly Partition[]): Promise<void> {
    this.#crew = crew
    this.#unread = new Int32Array(crew.slots)
    let bytesLeft = partitions.reduce((sum, partition) => sum + partition.bytes, 0)
    let next = 0
    this.#framesLeft = partitions.filter(({ area }) => area === undefined).length
    if (this.#framesLeft === 0) this.#framesDone.resolve()
    const lane = async (slot: number): Promise<void> => {
      for (;;) {
        const partition = this.#stop ? undefined : partitions[next++]
        if (partition === undefined) return
        if (partition.area !== undefined)
          await Promise.race([this.#framesDone.promise, this.#stopped.promise])
        await this.#fly(crew, partition, slot)
        if (partition.area === undefined && --this.#framesLeft === 0) this.#framesDone.resolve()
        bytesLeft -= partition.bytes
        if (this.#alone && this.#othersPay(next, partition.bytes, bytesLeft)) return
      }
    }
    // one thread at first: starting the others delays it
    if (!crew.slow) await lane(0)
    this.#alone = false
    crew.pool.widen()
    await Promise.all(Array.from({ length: crew.slots }, (_, slot) => lane(slot)))
    this.#deliverHeld()
  }

  /**
   * Whether what is left is worth another thread, by what the last partition took. The first one pays for warming up, so
   * it counts only when it took long.
   */
  #othersPay(done: number, bytes: number, bytesLeft: number): boolean {
    const known = done > 1 || this.#lastMs > WARM_UP_MS
    return known && (bytesLeft * this.#lastMs) / bytes > THREAD_PAYS_MS
  }

  /** Bytes that workers have behind them; for progress only. */
  get bytesDone(): number {
    let bytes = this.#bytesBehind
    for (const flight of this.#out.values())
      if (!flight.landed) bytes += this.#crew?.control.doneIn(flight.slot) ?? 0
    // a second attempt counts from where it starts
    this.#mostDone = Math.max(this.#mostDone, bytes)
    return this.#mostDone
  }

  /** Takes what a worker posted. */
  receive(batch: Batch): void {
    const flight = this.#out.get(batch.partition)
    if (flight === undefined || flight.landed || flight.attempt !== batch.attempt) return
    this.#unread[flight.slot] = (this.#unread[flight.slot] as number) + 1
    flight.resumeAt = batch.resumeAt
    flight.resumeSkip = batch.resumeSkip
    this.#lastMs = batch.milliseconds
    this.#reports.arrived(batch)
    if (this.#crew?.sort === true && batch.partition !== this.#head) flight.held.push(batch)
    else this.#handOver(batch, flight)
    if (batch.last) flight.ended.resolve()
  }

  /** One partition, tried again elsewhere when its worker throws or dies. */
  async #fly(crew: Crew, partition: Partition, slot: number): Promise<void> {
    const flight: Flight = {
      partition,
      slot,
      attempt: 0,
      resumeAt: partition.start,
      resumeSkip: 0,
      landed: false,
      held: [],
      ended: withResolvers(),
      first: withResolvers(),
      delivered: withResolvers(),
    }
    this.#out.set(partition.index, flight)
    if (partition.index === this.#head) flight.first.resolve()
    let failure: ErrorRecord | undefined
    for (; flight.attempt < ATTEMPTS; flight.attempt++) {
      // second attempts share one thread: one that waits for its turn must not keep it from the one whose turn it is
      if (flight.attempt > 0 && crew.sort) await Promise.race([flight.first.promise, this.#stopped.promise])
      crew.control.startSlot(slot, this.#unread[slot] as number)
      failure = await this.#attempt(crew, flight)
      if (failure === undefined) break
    }
    if (failure !== undefined) this.#reports.givenUp(partition, flight.resumeAt, failure)
    this.#bytesBehind += partition.bytes
    this.#land(flight, crew.sort)
    if (crew.sort && !this.#stop) await flight.delivered.promise
  }

  /** Resolves with what went wrong, once nothing more of this attempt can arrive. */
  async #attempt({ pool, context }: Crew, flight: Flight): Promise<ErrorRecord | undefined> {
    const { partition, attempt, slot, resumeAt, resumeSkip } = flight
    let failure: ErrorRecord | undefined
    try {
      failure = await pool.run({
        kind: 'scan',
        context,
        partition: partition.index,
        attempt,
        slot,
        start: resumeAt,
        end: partition.end,
        skip: resumeSkip,
        ...(partition.area && { area: partition.area }),
      })
    } catch (error) {
      // threads that can't be started won't be for the next partition either
      if (error instanceof VmsiftError) throw error
      failure = toRecord(error)
    }
    // found when a worker opens, before it scans anything; no other worker would think better of it
    if (failure?.code === 'bad-rule') throw fromRecord(failure)
    if (failure === undefined) {
      // the answer and the batches travel on different ports: the last batch tells that all are here
      await Promise.race([flight.ended.promise, this.#lastWords])
      return undefined
    }
    await settle()
    return this.#stop ? undefined : failure
  }

  /** In sorted order, only the lowest partition that is not done is delivered; the others wait. */
  #land(landed: Flight, sort: boolean): void {
    landed.landed = true
    if (!sort) {
      this.#out.delete(landed.partition.index)
      return
    }
    for (;;) {
      const head = this.#out.get(this.#head)
      if (head === undefined) return
      for (const batch of head.held.splice(0)) this.#handOver(batch, head)
      if (!head.landed) return
      this.#out.delete(this.#head)
      head.delivered.resolve()
      this.#head++
      this.#out.get(this.#head)?.first.resolve()
    }
  }

  /** After a stop in sorted order: what had come in behind the head. */
  #deliverHeld(): void {
    const waiting = [...this.#out.values()].sort((a, b) => a.partition.index - b.partition.index)
    for (const flight of waiting) for (const batch of flight.held.splice(0)) this.#handOver(batch, flight)
  }

  #handOver(batch: Batch, flight: Flight): void {
    this.#reports.deliver(batch, () => {
      this.#unread[flight.slot] = (this.#unread[flight.slot] as number) - 1
      this.#crew?.control.release(flight.slot)
    })
  }
}

/** Lets messages that are already on their way arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await nextTick()
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

/** Promise.withResolvers, which Node 20 does not have. */
function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}
