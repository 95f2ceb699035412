/** The public face of a scan: a cold Observable, and an AsyncIterable for consumers that need time. */
// the package's front door loads two hundred files, a good part of the start-up; the class is the same
import { Observable } from 'rxjs/internal/Observable'
import type { PhysicalScanEvent, ScanEvent } from '../scan/events.js'
import type { PhysicalScanRequest, ScanRequest } from './request.js'
import { ScanSession } from './session.js'
import type { Target } from './target.js'

/**
 * Scans guest physical memory for all patterns in one pass. Cold: each subscription is a scan of its own.
 * Unsubscribing ends it within one block a worker. The summary is the last event. Work in flight is bounded, and
 * events are delivered synchronously, so a slow subscriber slows the scan down; one that works asynchronously should
 * take `scanIterable` instead.
 *
 * Errors with a `VmsiftError`: `bad-argument`, `out-of-range`, `bad-pattern`, `bad-rule`, before anything is scanned.
 */
export function scan(target: Target, request: PhysicalScanRequest): Observable<PhysicalScanEvent>
export function scan(target: Target, request: ScanRequest): Observable<ScanEvent>
export function scan(target: Target, request: ScanRequest): Observable<ScanEvent> {
  return new Observable(subscriber => {
    const session = new ScanSession(target, request, (events, taken) => {
      for (const event of events) {
        if (subscriber.closed) break
        subscriber.next(event)
      }
      taken()
    })
    session.run().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
    return () => session.abandon()
  })
}

interface Delivery {
  readonly events: Iterable<ScanEvent>
  readonly taken: () => void
}

/**
 * The same scan for `for await`: workers wait while what they found is unread, so memory stays bounded however slow
 * the consumer is. Leaving the loop early ends the scan. Each call of the iterator is a scan of its own.
 */
export function scanIterable(target: Target, request: PhysicalScanRequest): AsyncIterable<PhysicalScanEvent>
export function scanIterable(target: Target, request: ScanRequest): AsyncIterable<ScanEvent>
export function scanIterable(target: Target, request: ScanRequest): AsyncIterable<ScanEvent> {
  return { [Symbol.asyncIterator]: () => eventByEvent(target, request) }
}

async function* eventByEvent(target: Target, request: ScanRequest): AsyncGenerator<ScanEvent> {
  for await (const events of scanBatches(target, request)) yield* events
}

/**
 * The same, as the events arrive together: waiting for each of a million events costs more than printing it. A batch
 * must be read before the next one is asked for.
 * @internal
 */
export function scanBatches(target: Target, request: ScanRequest): AsyncIterable<Iterable<ScanEvent>> {
  return { [Symbol.asyncIterator]: () => iterate(target, request) }
}

async function* iterate(target: Target, request: ScanRequest): AsyncGenerator<Iterable<ScanEvent>> {
  const queue: Delivery[] = []
  let wake: () => void = () => undefined
  let ended = false
  const session = new ScanSession(target, request, (events, taken) => {
    queue.push({ events, taken })
    wake()
  })
  const run = session.run().finally(() => {
    ended = true
    wake()
  })
  // reported by `await run` below; without this a failure before that is called unhandled
  run.catch(() => undefined)
  try {
    for (;;) {
      const delivery = queue.shift()
      if (delivery !== undefined) {
        yield delivery.events
        delivery.taken()
      } else if (ended) break
      else
        await new Promise<void>(resolve => {
          wake = resolve
        })
    }
    await run
  } finally {
    session.abandon()
    for (const delivery of queue) delivery.taken()
    await run.catch(() => undefined)
  }
}
