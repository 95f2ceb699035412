/** Notices that a running guest is no longer the guest whose memory is being scanned. */
import type { MonitorEvent } from '../qemu/monitor.js'
import type { MonitorShare } from '../qemu/monitor-link.js'
import { runState } from '../qemu/run-state.js'
import type { GuestEnd } from '../scan/events.js'
import type { LiveTarget } from './live.js'

const LOOK_MS = 100
/** States of QEMU in which the guest goes on elsewhere. */
const MIGRATED = new Set(['finish-migrate', 'postmigrate'])

const WORDS: Readonly<Record<GuestEnd['reason'], string>> = {
  died: 'QEMU ended',
  reset: 'the guest was reset',
  shutdown: 'the guest shut down',
  migrated: 'the guest migrated to another host',
}

export class GuestWatch implements Disposable {
  readonly #target: LiveTarget
  readonly #share: MonitorShare | undefined
  readonly #onEnd: () => void
  readonly #timer: NodeJS.Timeout
  readonly #forget: (() => void)[] = []
  #end: GuestEnd | undefined

  /** Without a share in the monitor only the end of QEMU is noticed. `onEnd` is called once. */
  constructor(target: LiveTarget, share: MonitorShare | undefined, onEnd: () => void) {
    this.#target = target
    this.#share = share
    this.#onEnd = onEnd
    this.#timer = setInterval(() => this.look(), LOOK_MS)
    this.#timer.unref()
    if (share === undefined) return
    this.#forget.push(share.monitor.onEvent(event => this.#heard(event)))
    this.#forget.push(share.monitor.onClose(() => this.look()))
  }

  /** What became of the guest, if it is over. */
  get end(): GuestEnd | undefined {
    return this.#end
  }

  /** Looks now whether QEMU is still there. */
  look(): void {
    if (!this.#target.isRunning()) this.#ended('died')
  }

  #heard({ event }: MonitorEvent): void {
    if (event === 'RESET') this.#ended('reset')
    else if (event === 'SHUTDOWN') this.#ended('shutdown')
    else if (event === 'STOP' && this.#share !== undefined)
      runState(this.#share.monitor).then(
        ({ status }) => {
          if (MIGRATED.has(status)) this.#ended('migrated')
        },
        // the connection's end is noticed by itself
        () => undefined,
      )
  }

  #ended(reason: GuestEnd['reason']): void {
    if (this.#end !== undefined) return
    this.#end = { reason, message: `${WORDS[reason]} while it was scanned` }
    this.#onEnd()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    for (const forget of this.#forget.splice(0)) forget()
  }
}
