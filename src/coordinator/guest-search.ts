/** The steps of recognising a guest: a kept record, memory, a symbol file or a folder of them. */
import { VmsiftError } from '../core/errors.js'
import type { PhysicalMemory } from '../core/memory.js'
import type { DetectedGuest, GuestHints } from '../os/detected.js'
import { reopenGuest } from '../os/reopen.js'
import type { SymbolFile } from '../symbols/load.js'
import { isSymbolFolder, symbolFileFor, symbolFileForPdb } from './symbol-choice.js'

/** From the cache's text, from memory, and with a symbol file where one is given. */
export class GuestSearch {
  /** After `run`: the kept record told it all. */
  cached = false
  readonly #memory: PhysicalMemory
  readonly #kept: string | undefined
  readonly #hints: GuestHints

  constructor(memory: PhysicalMemory, kept: string | undefined, hints: GuestHints) {
    this.#memory = memory
    this.#kept = kept
    this.#hints = hints
  }

  /**
   * The guest, with the tables of `symbols` (a file or a folder) beside its own.
   * @throws VmsiftError for a symbol file that is missing, broken or another kernel's.
   */
  async run(symbols: string | undefined): Promise<DetectedGuest | undefined> {
    if (symbols === undefined) return this.#detect()
    const { loadSymbolFile } = await import('../symbols/load.js')
    if (!(await isSymbolFolder(symbols))) return this.#detect(await loadSymbolFile(symbols))
    const found = await this.#detect()
    if (found === undefined) return this.#detectByRelease(symbols)
    const path = await this.#fileOf(symbols, found)
    // a Windows kernel that names no PDB has no symbol file anywhere
    if (path === undefined) return found
    const hints = { ...this.#hints, file: await loadSymbolFile(path) }
    return (await reopenGuest(this.#memory, found.record(), hints)) ?? found
  }

  /** @throws VmsiftError `target-not-found` where the folder has no file for this kernel. */
  async #fileOf(folder: string, { family, kernel }: DetectedGuest): Promise<string | undefined> {
    const pdb = family === 'windows' ? kernel.pdb : undefined
    if (family === 'windows' && pdb === undefined) return undefined
    const wanted = pdb === undefined ? kernel.release : `${pdb.guid}-${pdb.age}`
    const path = await (pdb === undefined ? symbolFileFor(folder, wanted) : symbolFileForPdb(folder, pdb))
    if (path !== undefined) return path
    throw new VmsiftError(
      'target-not-found',
      `no symbol file in ${folder} has ${wanted} in its name; give the file itself${pdb === undefined ? '' : ` (the kernel's PDB is ${pdb.name})`}`,
      { detail: { folder, release: kernel.release, ...(pdb && { guid: pdb.guid, age: pdb.age }) } },
    )
  }

  /** A kernel without symbols of its own: its banner says which file to take. */
  async #detectByRelease(folder: string): Promise<DetectedGuest | undefined> {
    const [{ loadSymbolFile }, { releasesIn }] = await Promise.all([
      import('../symbols/load.js'),
      import('../os/detect.js'),
    ])
    for (const release of releasesIn(this.#memory)) {
      const path = await symbolFileFor(folder, release)
      const found = path === undefined ? undefined : await this.#detect(await loadSymbolFile(path))
      if (found !== undefined) return found
    }
    return undefined
  }

  async #detect(file?: SymbolFile): Promise<DetectedGuest | undefined> {
    const hints = { ...this.#hints, file }
    const known = this.#kept === undefined ? undefined : await reopenGuest(this.#memory, this.#kept, hints)
    this.cached = known !== undefined
    if (known !== undefined) return known
    // loaded when needed: both families' searches
    const { detectGuest } = await import('../os/detect.js')
    return detectGuest(this.#memory, hints)
  }
}
