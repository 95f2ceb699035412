/** Notices that a running guest is no longer the guest whose memory is being scanned. */
import { VmsiftError } from '../core/errors.js'
import type { MonitorEvent } from '../qemu/monitor.js'
import type { MonitorShare } from '../qemu/monitor-link.js'
import { hasMoved, runState } from '../qemu/run-state.js'
import type { GuestEnd } from '../scan/events.js'
import type { LiveTarget } from './live.js'

const LOOK_MS = 100
/** Not every monitor tells events, and a guest that is held still stops no more when it migrates: so it is asked too. */
const ASK_MS = 500
const ANSWER_MS = 1000

type Ending = Exclude<GuestEnd['reason'], 'silent'>

const WORDS: Readonly<Record<Ending, string>> = {
  died: 'QEMU ended',
  reset: 'the guest was reset',
  shutdown: 'the guest shut down',
  migrated: 'the guest migrated to another host',
}

export class GuestWatch implements Disposable {
  readonly #target: LiveTarget
  readonly #share: MonitorShare | undefined
  readonly #onEnd: () => void
  readonly #timers: readonly NodeJS.Timeout[]
  readonly #forget: (() => void)[] = []
  #end: GuestEnd | undefined
  #asking = false

  /** Without a share in the monitor only the end of QEMU is noticed. `onEnd` is called once. */
  constructor(target: LiveTarget, share: MonitorShare | undefined, onEnd: () => void) {
    this.#target = target
    this.#share = share
    this.#onEnd = onEnd
    this.#timers = [
      setInterval(() => this.#look(), LOOK_MS).unref(),
      setInterval(() => void this.#ask(), ASK_MS).unref(),
    ]
    if (share === undefined) return
    this.#forget.push(share.monitor.onEvent(event => this.#heard(event)))
    this.#forget.push(share.monitor.onClose(() => this.#look()))
  }

  /** What became of the guest, if it is over. */
  get end(): GuestEnd | undefined {
    return this.#end
  }

  /** Looks now. */
  async look(): Promise<void> {
    this.#look()
    if (this.#end === undefined) await this.#ask()
  }

  #look(): void {
    if (!this.#target.isRunning()) this.#ended('died')
  }

  #heard({ event }: MonitorEvent): void {
    if (event === 'RESET') this.#ended('reset')
    else if (event === 'SHUTDOWN') this.#ended('shutdown')
    else if (event === 'STOP') void this.#ask()
  }

  async #ask(): Promise<void> {
    if (this.#share === undefined || this.#asking) return
    this.#asking = true
    try {
      const state = await runState(this.#share.monitor, { timeoutMs: ANSWER_MS })
      if (hasMoved(state)) this.#ended('migrated')
      else if (state.status === 'shutdown') this.#ended('shutdown')
    } catch (error) {
      // a QEMU that has ended is noticed by itself, and one that hangs has not ended
      if (!(error instanceof VmsiftError)) throw error
    } finally {
      this.#asking = false
    }
  }

  #ended(reason: Ending): void {
    if (this.#end !== undefined) return
    this.#end = { reason, message: `${WORDS[reason]} while it was scanned` }
    this.#onEnd()
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
    for (const forget of this.#forget.splice(0)) forget()
  }
}
