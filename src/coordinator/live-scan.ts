/** What a scan of a running guest has beyond one of an image: the guest held still or not, what changed meanwhile, and the guest's end. */

import { VmsiftError } from '../core/errors.js'
import type { MemoryRun } from '../core/memory.js'
import { clipRuns } from '../core/runs.js'
import type { MonitorShare } from '../qemu/monitor-link.js'
import { type PauseGuard, pauseGuest } from '../qemu/pause-guard.js'
import type { Consistency, GuestEnd, MatchEvent } from '../scan/events.js'
import { GuestWatch } from './guest-watch.js'
import type { LiveTarget } from './live.js'
import { MatchRecheck } from './match-recheck.js'
import { PageSample } from './page-sample.js'

/** Pages whose hashes are taken before and after. */
const SAMPLED_PAGES = 4096
/** While the guest stands still there is little to see, and each page makes it wait. */
const SAMPLED_PAUSED = 256
/** Each is a conversation with the monitor. */
const SAMPLED_SLOW = 64

export interface LiveScanOptions {
  readonly pause: boolean
  /** The guest is gone, or is another one: called once. */
  readonly onEnd: () => void
  readonly onHint: (line: string) => void
}

export class LiveScan implements AsyncDisposable {
  readonly #target: LiveTarget
  readonly #share: MonitorShare | undefined
  readonly #guard: PauseGuard | undefined
  readonly #watch: GuestWatch
  readonly #recheck: MatchRecheck | undefined
  #sample: PageSample | undefined
  #consistency: Consistency | undefined
  #silent: GuestEnd | undefined

  private constructor(
    target: LiveTarget,
    share: MonitorShare | undefined,
    guard: PauseGuard | undefined,
    onEnd: () => void,
  ) {
    this.#target = target
    this.#share = share
    this.#guard = guard
    this.#watch = new GuestWatch(target, share, onEnd)
    this.#recheck = guard === undefined ? new MatchRecheck(target.memory) : undefined
  }

  /**
   * Watches the guest, and holds it still if asked to.
   * @throws VmsiftError with `pause`, when its monitor can't be reached.
   */
  static async start(target: LiveTarget, { pause, onEnd, onHint }: LiveScanOptions): Promise<LiveScan> {
    let share: MonitorShare | undefined
    try {
      share = await target.link.share()
    } catch (error) {
      if (pause) throw error
      onHint(
        `the guest's monitor can't be reached, so a reboot during the scan would not be noticed: ${messageOf(error)}`,
      )
    }
    if (!pause && share?.monitor.tellsEvents === false)
      onHint("no events come by way of the guest's monitor, so a reboot during the scan would not be noticed")
    try {
      const guard = pause && share !== undefined ? await pauseGuest(share.monitor) : undefined
      return new LiveScan(target, share, guard, onEnd)
    } catch (error) {
      share?.[Symbol.dispose]()
      throw error
    }
  }

  /** To be called when the scan begins. */
  begin(runs: readonly MemoryRun[]): void {
    const { access } = this.#target
    const pages =
      access === 'monitor' ? SAMPLED_SLOW : this.#guard === undefined ? SAMPLED_PAGES : SAMPLED_PAUSED
    // pages brought back from swap have addresses that are made up: there is no memory to look at
    const real = this.#target.runs.flatMap(({ gpa, length }) => clipRuns(runs, gpa, gpa + length))
    this.#sample = new PageSample(this.#target.memory, real, pages)
  }

  /** To be called when everything is scanned: lets the guest run again. */
  async finish(): Promise<void> {
    await this.#watch.look()
    this.#consistency = this.#sample?.compare()
    try {
      await this.#guard?.resume()
    } catch (error) {
      // what was found is told all the same
      if (!(error instanceof VmsiftError)) throw error
      const message = `the guest may stand still until vmsift resume lets it go on: ${error.message}`
      this.#silent = { reason: 'silent', message }
    }
  }

  /** For the summary: how much of the memory changed, after `finish`, and what became of the guest, if it is over. */
  get findings(): { readonly consistency?: Consistency; readonly ended?: GuestEnd } {
    const end = this.#watch.end ?? this.#silent
    return {
      ...(this.#consistency !== undefined && { consistency: this.#consistency }),
      ...(end !== undefined && { ended: end }),
    }
  }

  /** Until `finish` the guest stands still. */
  get paused(): boolean {
    return this.#guard !== undefined
  }

  /**
   * A match, to be told now or later: those of a guest that runs are read again at the end. Undefined: later. Of what a rule's match was when
   * it was found nothing is kept: of a guest that runs it is told as it stands at the end.
   */
  take(match: MatchEvent): MatchEvent | undefined {
    if (this.#recheck === undefined) return { ...match, stable: true }
    return match.scanner === 'yara' ? match : this.#recheck.hold(match)
  }

  /** The matches that wait to be read again. */
  *rest(): Generator<MatchEvent> {
    if (this.#recheck !== undefined) yield* this.#recheck.rest()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]()
    try {
      await this.#guard?.resume()
    } finally {
      this.#share?.[Symbol.dispose]()
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
