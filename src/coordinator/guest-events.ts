/** A guest's events as an Observable. */
import { Observable } from 'rxjs'
import type { GuestControl } from '../qemu/control.js'
import { checkEventRequest, type EventRequest, type GuestEvent, runEvents } from '../qemu/events.js'

/**
 * Breakpoints, watchpoints and single steps of a guest, as they come; cold: they are set at subscription. The guest is at rest while an
 * event is handled, and goes on afterwards unless `event.hold()` was called. While it is watched, the guest runs, even if it was paused
 * before; unsubscribing removes every point and leaves it running, or paused as it was. That takes a few milliseconds:
 * `await using control` waits for it.
 *
 * One subscription at a time: a guest has one gdbstub. Completes when the steps of a request without points are done. Errors with a
 * `VmsiftError`: `bad-argument`, `monitor-busy` when a debugger is connected, `guest-gone` when the guest ends, `monitor-failed`.
 */
export function guestEvents(control: GuestControl, request: EventRequest): Observable<GuestEvent> {
  return new Observable(subscriber => {
    const abort = new AbortController()
    const run = async (): Promise<void> => {
      checkEventRequest(request)
      await control.withSession((session, monitor) =>
        runEvents(session, monitor, request, event => subscriber.next(event), abort.signal),
      )
    }
    run().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
    return () => abort.abort()
  })
}
