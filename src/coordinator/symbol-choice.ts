/** A symbol file out of a folder of them: the one whose name holds the kernel's release, or its PDB's GUID. */
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { VmsiftError } from '../core/errors.js'

const MAX_DEPTH = 4
const MAX_ENTRIES = 50_000

/**
 * Whether the path is a folder of symbol files.
 * @throws VmsiftError `target-not-found`, `target-unreadable`.
 */
export async function isSymbolFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const missing = code === 'ENOENT' || code === 'ENOTDIR'
    throw new VmsiftError(
      missing ? 'target-not-found' : 'target-unreadable',
      missing ? `no such symbol file or folder: ${path}` : `can't open ${path}: ${code ?? String(error)}`,
      { cause: error },
    )
  }
}

/**
 * The file in `folder`, or in the folders below it, that is for `release`: those with types and symbols go before those with symbols
 * only. Undefined when no name holds the release.
 */
export async function symbolFileFor(folder: string, release: string): Promise<string | undefined> {
  const found = await filesUnder(folder, name => namesRelease(name, release))
  return found.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))[0]
}

/**
 * The file in `folder`, or in the folders below it, that is for the PDB of this GUID (hexadecimal digits, with or without dashes): as
 * Volatility 3 lays them out (`windows/ntkrnlmp.pdb/GUID-AGE.json.xz`), or Rekall names them (`ntkrnlpa.pdb.GUIDAGE.rekall.json`). One of
 * that very age goes first: ages grow when a PDB is written anew, with the same layouts. Undefined when no name holds the GUID.
 */
export async function symbolFileForPdb(
  folder: string,
  pdb: { readonly name: string; readonly guid: string; readonly age: number },
): Promise<string | undefined> {
  const guid = pdb.guid.replaceAll('-', '').toLowerCase()
  const found = await filesUnder(folder, name => ageIn(name, guid) !== undefined)
  const score = (path: string): number =>
    (ageIn(basename(path), guid) === pdb.age ? 0 : 8) +
    (path.toLowerCase().includes(pdb.name.toLowerCase()) ? 0 : 4) +
    rank(path)
  return found.sort((a, b) => score(a) - score(b) || (a < b ? -1 : 1))[0]
}

/** Which age a JSON file's name tells behind that GUID; undefined where the name has no such GUID. */
function ageIn(name: string, guid: string): number | undefined {
  const [, digits, age] =
    /([0-9a-f]{32})-?([0-9a-f]{1,8})?[^0-9a-f-].*(?<=\.json|\.json\.xz)$/i.exec(name) ?? []
  return digits?.toLowerCase() === guid ? Number.parseInt(age ?? '0', 16) : undefined
}

/** Files in `folder` and below it whose names are wanted. */
async function filesUnder(folder: string, wanted: (name: string) => boolean): Promise<string[]> {
  const found: string[] = []
  let left = MAX_ENTRIES
  let level = [folder]
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = []
    for (const each of level) {
      for (const entry of await entriesOf(each)) {
        if (--left < 0) break
        if (entry.isDirectory()) next.push(join(each, entry.name))
        else if (wanted(entry.name)) found.push(join(each, entry.name))
      }
    }
    level = next
  }
  return found
}

/** 6.1.0-1-amd64 is not 6.1.0-1-amd64-dbg, and not 16.1.0-1-amd64. */
function namesRelease(name: string, release: string): boolean {
  const at = name.indexOf(release)
  if (at < 0) return false
  const before = name[at - 1] ?? ''
  const behind = name.slice(at + release.length)
  return !/[\d.]/.test(before) && (behind === '' || /^[._]/.test(behind) || /^-dbg\b|^-debug\b/.test(behind))
}

function rank(path: string): number {
  if (/\.json$/i.test(path)) return 0
  if (/\.json\.xz$/i.test(path)) return 1
  return /system\.map/i.test(path) ? 2 : 3
}

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    // a folder below that may not be read holds nothing for this person
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
    return []
  }
}
