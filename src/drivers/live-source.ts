/** What live memory is put together from: bytes at places that mean something to the source alone. */
import type { CopyRoom } from '../ffi/process-vm.js'

export interface LiveSource extends Disposable {
  /** The bytes themselves, borrowed until the next call; undefined when they must be copied. */
  lend(place: number, length: number): Uint8Array | undefined
  /** Copies into `room` at `at`; returns the bytes copied before the first that can't be read. */
  copy(place: number, room: CopyRoom, at: number, length: number): number
  /** Copies from `room`'s start; returns the bytes written before the first that can't be. */
  write(place: number, room: CopyRoom, length: number): number
  /** How many bytes at `place` are zeros that nobody has touched, at most `limit`; 0 when there are none, or it is not known. */
  zerosAt(place: number, limit: number): number
  /** How many bytes at `place` come before the next such zeros, at most `limit`. */
  dataAt(place: number, limit: number): number
  /** Nothing can be read any more: the guest has ended. */
  readonly gone: boolean
  /** Nothing at `place` or behind it can be read any more: the file has become shorter. */
  endsBefore?(place: number): boolean
}

/** Where nothing may be read. */
export const NO_SOURCE: LiveSource = {
  lend: () => undefined,
  copy: () => 0,
  write: () => 0,
  zerosAt: () => 0,
  dataAt: (_place, limit) => limit,
  gone: false,
  [Symbol.dispose]: () => undefined,
}
