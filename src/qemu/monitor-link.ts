/** One connection to a guest's monitor for all who need it at the time: QEMU serves one client a socket. */
import type { Monitor } from './monitor.js'

/** A share in the connection, until it is disposed. */
export interface MonitorShare extends Disposable {
  readonly monitor: Monitor
}

export class MonitorLink {
  readonly #open: () => Promise<Monitor>
  #current: { readonly monitor: Promise<Monitor>; users: number } | undefined

  constructor(open: () => Promise<Monitor>) {
    this.#open = open
  }

  /** Connects, unless somebody is. The connection ends with its last share. Rejects as opening does; the next call tries again. */
  async share(): Promise<MonitorShare> {
    const current = this.#current ?? this.#connect()
    current.users++
    const leave = (): void => {
      if (--current.users > 0) return
      if (this.#current === current) this.#current = undefined
      current.monitor.then(
        monitor => monitor.close(),
        () => undefined,
      )
    }
    let monitor: Monitor
    try {
      monitor = await current.monitor
    } catch (error) {
      leave()
      throw error
    }
    let left = false
    return {
      monitor,
      [Symbol.dispose]() {
        if (!left) leave()
        left = true
      },
    }
  }

  #connect(): { readonly monitor: Promise<Monitor>; users: number } {
    const current = { monitor: this.#open(), users: 0 }
    this.#current = current
    current.monitor.then(
      monitor =>
        monitor.onClose(() => {
          if (this.#current === current) this.#current = undefined
        }),
      () => undefined,
    )
    return current
  }
}
