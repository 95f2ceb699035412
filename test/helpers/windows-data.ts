/** Real Windows data, which is not part of the project (docs/DECISIONS.md): tests that want it are skipped by name without it. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** The folder: `$VMSIFT_WINDOWS_DATA`, or beside the checkout. */
export const WINDOWS_DATA = resolve(
  process.env['VMSIFT_WINDOWS_DATA'] ?? join(import.meta.dirname, '../../../shared/data/windows'),
)

/** Path of a file of it; undefined where it isn't there. */
export function windowsData(name: string): string | undefined {
  const path = join(WINDOWS_DATA, name)
  return existsSync(path) ? path : undefined
}
