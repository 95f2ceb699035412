/** Where every match passes before it is told: counted up to the limit, held back to be sorted or to be told once, or until it was read again. */
import type { MatchEvent } from '../scan/events.js'
import type { Ambiguity } from '../space/placement.js'
import type { LiveScan } from './live-scan.js'
import { OnceOnly } from './once-only.js'
import { together } from './together.js'

export interface GateOptions {
  /** Matches that are told at most. */
  readonly limit?: number
  /** All that is found is sorted at the end. */
  readonly sort?: boolean
}

/** Matches to be told now. */
export interface Passed {
  readonly told: readonly MatchEvent[]
  /** There are more than are asked for. */
  readonly isFull: boolean
}

export class MatchGate {
  readonly #limit: number
  readonly #sort: boolean
  readonly #once = new OnceOnly()
  /** What was found so far of what is to be sorted. */
  readonly #held: MatchEvent[] = []
  #live: LiveScan | undefined
  #count = 0

  constructor({ limit = Number.POSITIVE_INFINITY, sort = false }: GateOptions) {
    this.#limit = limit
    this.#sort = sort
  }

  /** A running guest is scanned. */
  set live(live: LiveScan | undefined) {
    this.#live = live
  }

  /** Matches that have passed. */
  get count(): number {
    return this.#count
  }

  /** There are as many as are asked for. */
  get isFull(): boolean {
    return this.#count >= this.#limit
  }

  /** As `OnceOnly.admits`. */
  admits(match: MatchEvent, ambiguity: Ambiguity): boolean {
    return this.#once.admits(match, ambiguity)
  }

  /** Keeps a match until all are sorted. */
  hold(match: MatchEvent): void {
    this.#held.push(match)
  }

  /** Counts a match; undefined where it waits for the end of a scan of running memory. */
  pass(match: MatchEvent): MatchEvent | undefined {
    this.#count++
    return this.#live === undefined ? match : this.#live.take(match)
  }

  /** Counts matches up to the limit. */
  passAll(matches: readonly MatchEvent[]): Passed {
    const told: MatchEvent[] = []
    for (const match of matches) {
      if (this.isFull) return { told, isFull: true }
      const now = this.pass(match)
      if (now !== undefined) told.push(now)
    }
    return { told, isFull: false }
  }

  /** What was held back: what waited to be found elsewhere, and all of it when it is to be sorted. Ends early at the limit. */
  *heldBack(): Generator<Passed> {
    for (const match of this.#once.rest()) this.#held.push(match)
    if (this.#sort) this.#held.sort(byPlace)
    for (const matches of together(this.#held)) {
      const passed = this.passAll(matches)
      yield passed
      if (passed.isFull) return
    }
  }
}

function byPlace(a: MatchEvent, b: MatchEvent): number {
  const byPid = (a.pid ?? 0) - (b.pid ?? 0)
  if (byPid !== 0) return byPid
  const byAddress = a.va === undefined || b.va === undefined ? 0 : compare(a.va, b.va)
  return byAddress !== 0 ? byAddress : (a.gpa ?? 0) - (b.gpa ?? 0)
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
