/** What QEMU says when it refuses a command. */
import { VmsiftError } from '../core/errors.js'

/** QEMU's error object: `{"class": "...", "desc": "..."}`. */
export function refusal(error: unknown): VmsiftError {
  const { class: kind, desc } = isRecord(error) ? error : {}
  const words = typeof desc === 'string' ? desc : 'unknown error'
  return new VmsiftError('monitor-failed', words, { detail: { class: kind } })
}

/** The same, naming the command. */
export function commandError(command: string, error: VmsiftError): VmsiftError {
  return new VmsiftError(error.code, `qmp ${command}: ${error.message}`, {
    detail: { ...error.detail, command },
    cause: error,
  })
}

/** Whether a value is a plain object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
