/** Lines for a person on stderr. */
import { oneLine } from './escape.js'

/** One line on stderr, safe to print whatever stands in it. */
export function tell(message: string): void {
  process.stderr.write(`vmsift: ${oneLine(message)}\n`)
}
