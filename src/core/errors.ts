/** The one error class, and the form in which an error crosses a thread. */

/** Stable codes: programs may switch on them. */
export type ErrorCode =
  | 'bad-argument'
  | 'bad-pattern'
  | 'bad-rule'
  | 'target-not-found'
  | 'target-unreadable'
  | 'target-empty'
  | 'target-compressed'
  | 'target-unsupported'
  | 'image-corrupt'
  | 'out-of-range'
  | 'not-supported'
  | 'ffi-unavailable'
  | 'worker-failed'
  | 'monitor-busy'
  | 'monitor-failed'
  | 'guest-gone'
  | 'output-failed'
  | 'cancelled'

export interface ErrorOptions {
  /** The raw values behind the message; structured-cloneable. */
  readonly detail?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * A broken image, a wrong argument or a missing ability. A hole or an absent page is a result, never an error.
 * The message is lower case: what failed, the values, what to try.
 */
export class VmsiftError extends Error {
  override readonly name = 'VmsiftError'
  readonly code: ErrorCode
  readonly detail: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = options.detail ?? {}
  }
}

/** An error as plain data: an Error subclass loses its fields when it crosses a thread. */
export interface ErrorRecord {
  readonly code: ErrorCode
  readonly message: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** Any thrown value as a record; what is not a VmsiftError gets the code `fallback`. */
export function toRecord(error: unknown, fallback: ErrorCode = 'worker-failed'): ErrorRecord {
  if (error instanceof VmsiftError) return { code: error.code, message: error.message, detail: error.detail }
  return { code: fallback, message: error instanceof Error ? error.message : String(error), detail: {} }
}

/** The inverse of `toRecord`. */
export function fromRecord(record: ErrorRecord): VmsiftError {
  return new VmsiftError(record.code, record.message, { detail: record.detail })
}
