/** Commands that act on a running guest. */
import type { GuestControl } from '../qemu/control.js'
import { outputFor } from './output.js'
import { line } from './scan-json.js'

export interface LiveOptions {
  readonly json?: boolean
}

/** Opens the guest, runs `work`, and ends the connection once the guest is as it should be. */
export async function withControl(
  target: string,
  work: (control: GuestControl) => Promise<number>,
): Promise<number> {
  const { openControl } = await import('../coordinator/guest-control.js')
  await using control = await openControl(target)
  return await work(control)
}

/** Prints one thing: an object with `--json`, else a line for a person. */
export async function printOne(
  fields: Readonly<Record<string, unknown>>,
  text: string,
  options: LiveOptions,
): Promise<void> {
  const output = outputFor(undefined)
  await output.write(options.json === true ? line(fields) : `${text}\n`)
  await output.end()
}
