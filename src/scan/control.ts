/**
 * Shared memory between the coordinator and its workers: the cancel flag, unread batches and progress.
 * A slot belongs to one partition while that is out with a worker.
 */

const CANCEL = 0
const CLOSED = 1
const FIRST_SLOT = 2
/** Batches of one slot that may wait unread: bounds memory however slow the consumer is. */
const MAX_UNREAD = 4
/** A waiting worker looks at the cancel flag this often. */
const POLL_MS = 20

export class ControlBlock {
  /** Plain data: what is sent to workers. */
  readonly shared: { readonly flags: SharedArrayBuffer; readonly done: SharedArrayBuffer }
  readonly #flags: Int32Array
  readonly #done: Float64Array

  private constructor(flags: SharedArrayBuffer, done: SharedArrayBuffer) {
    this.shared = { flags, done }
    this.#flags = new Int32Array(flags)
    this.#done = new Float64Array(done)
  }

  static create(slots: number): ControlBlock {
    return new ControlBlock(
      new SharedArrayBuffer((FIRST_SLOT + slots) * Int32Array.BYTES_PER_ELEMENT),
      new SharedArrayBuffer(slots * Float64Array.BYTES_PER_ELEMENT),
    )
  }

  /** The same block in another thread. */
  static attach(shared: ControlBlock['shared']): ControlBlock {
    return new ControlBlock(shared.flags, shared.done)
  }

  cancel(): void {
    Atomics.store(this.#flags, CANCEL, 1)
  }

  get cancelled(): boolean {
    return Atomics.load(this.#flags, CANCEL) === 1
  }

  /** Coordinator: readies a slot for a partition; `unread` batches of the slot wait with it still. */
  startSlot(slot: number, unread: number): void {
    Atomics.store(this.#flags, FIRST_SLOT + slot, unread)
    this.#done[slot] = 0
  }

  /** Bytes of the slot's partition that are behind the worker; for progress only. */
  setDone(slot: number, bytes: number): void {
    this.#done[slot] = bytes
  }

  doneIn(slot: number): number {
    return this.#done[slot] as number
  }

  /**
   * Worker: waits until a batch may be posted and counts it; false when the scan was cancelled meanwhile. When `hurry`
   * says so, it waits no longer.
   */
  acquire(slot: number, hurry: () => boolean): boolean {
    const at = FIRST_SLOT + slot
    for (;;) {
      if (this.cancelled) return false
      const unread = Atomics.load(this.#flags, at)
      if (unread < MAX_UNREAD || hurry()) break
      Atomics.wait(this.#flags, at, unread, POLL_MS)
    }
    Atomics.add(this.#flags, at, 1)
    return true
  }

  /** Coordinator: a batch of the slot has been consumed. */
  release(slot: number): void {
    Atomics.sub(this.#flags, FIRST_SLOT + slot, 1)
    Atomics.notify(this.#flags, FIRST_SLOT + slot)
  }

  /**
   * Worker: waits, within a second, until `workers` have come here. A thread that has closed its driver stays here,
   * so that the next close task goes to another thread.
   */
  waitClosed(workers: number): void {
    let closed = Atomics.add(this.#flags, CLOSED, 1) + 1
    if (closed === workers) Atomics.notify(this.#flags, CLOSED)
    const deadline = Date.now() + 1000
    while (closed < workers && Date.now() < deadline) {
      Atomics.wait(this.#flags, CLOSED, closed, deadline - Date.now())
      closed = Atomics.load(this.#flags, CLOSED)
    }
  }
}
