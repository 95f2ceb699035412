/** The guest of a triage dump: pieces of the kernel's virtual memory, and no page tables. */
import { VmsiftError } from '../core/errors.js'
import { openTriage } from '../os/windows/detect/triage.js'
import type { WindowsKernel } from '../os/windows/kernel.js'
import type { AddressSpace } from '../paging/address-space.js'
import type { FoundWindows } from './guest.js'
import { isSymbolFolder, symbolFileForPdb } from './symbol-choice.js'
import type { Target } from './target.js'

/**
 * The kernel of a triage dump; undefined where it does not tell of one.
 * @throws VmsiftError for a symbol file that is missing, broken or another kernel's.
 */
export async function openTriageGuest(
  target: Target,
  symbols: string | undefined,
): Promise<FoundWindows | undefined> {
  const facts = target.notes.windows
  if (facts === undefined) return undefined
  const kernel = openTriage(target.memory, facts, undefined)
  if (kernel === undefined) return undefined
  const path = symbols === undefined ? undefined : await chosenFile(symbols, kernel)
  if (path === undefined) return new TriageGuest(target, kernel)
  const { loadSymbolFile } = await import('../symbols/load.js')
  return new TriageGuest(target, openTriage(target.memory, facts, await loadSymbolFile(path)) ?? kernel)
}

async function chosenFile(symbols: string, { pdb }: WindowsKernel): Promise<string | undefined> {
  if (!(await isSymbolFolder(symbols))) return symbols
  if (pdb === undefined) return undefined
  const path = await symbolFileForPdb(symbols, pdb)
  if (path !== undefined) return path
  const wanted = `${pdb.guid}-${pdb.age}`
  throw new VmsiftError(
    'target-not-found',
    `no symbol file in ${symbols} has ${wanted} in its name; give the file itself (the kernel's PDB is ${pdb.name})`,
    { detail: { folder: symbols, ...pdb } },
  )
}

class TriageGuest implements FoundWindows {
  readonly family = 'windows'
  readonly kernel: WindowsKernel
  readonly base = 0
  readonly memory: Target['memory']
  readonly cached = false

  constructor(target: Target, kernel: WindowsKernel) {
    this.kernel = kernel
    this.memory = target.memory
  }

  openSpace(): AddressSpace {
    throw new VmsiftError(
      'not-supported',
      "this dump holds pieces of the kernel's virtual memory only: it has no page tables, and no memory of processes",
    )
  }

  save(): void {}

  [Symbol.dispose](): void {}
}
