/** A symbol file of the person's, brought to the guest's addresses. */
import { hex } from '../../../core/address.js'
import { VmsiftError } from '../../../core/errors.js'
import type { SymbolTable, TypeTable } from '../../../symbols/contract.js'
import type { SymbolFile } from '../../../symbols/load.js'
import { PackedSymbols } from '../../../symbols/packed-symbols.js'
import type { KernelPdb } from '../kernel.js'
import type { PeImage } from '../pe/image.js'

/** The file's tables as this kernel uses them. */
export interface PlacedSymbols {
  readonly symbols?: SymbolTable
  readonly types?: TypeTable
}

/**
 * Moves the file's symbols to where the image lies. `known`: addresses that are known without it, which it must have as well.
 * @throws VmsiftError `bad-argument` when the file says that it is another kernel's, or says nothing and the kernel has an identity.
 */
export function placedSymbols(
  file: SymbolFile,
  pe: PeImage,
  pdb: KernelPdb | undefined,
  known: ReadonlyMap<string, bigint>,
): PlacedSymbols {
  const needed = pdb === undefined ? 'one without a PDB' : `${pdb.name} ${pdb.guid}, age ${pdb.age}`
  if (file.pdb === undefined)
    throw new VmsiftError(
      'bad-argument',
      `the symbol file does not say which kernel it is for; the guest's is ${needed}: give its ISF or Rekall profile`,
    )
  // ages grow when a PDB is written anew, with the same layouts
  if (pdb !== undefined && file.pdb.guid !== pdb.guid)
    throw new VmsiftError(
      'bad-argument',
      `the symbol file is for another kernel (${file.pdb.name} ${file.pdb.guid}); the guest's needs ${needed}`,
      { detail: { guid: pdb.guid, age: pdb.age, given: file.pdb.guid } },
    )
  const { symbols, types } = file
  const moved = symbols instanceof PackedSymbols ? symbols.shifted(pe.base) : undefined
  for (const [name, address] of known) {
    const there = moved?.addressOf(name)
    if (there !== undefined && there !== address)
      throw new VmsiftError(
        'bad-argument',
        `the symbol file is for another kernel (${file.pdb.name} ${file.pdb.guid}): ${name} would be at ${hex(there)}, and is at ${hex(address)}; the guest's needs ${needed}`,
        { detail: { given: file.pdb.guid } },
      )
  }
  return { ...(moved && { symbols: moved }), ...(types && { types }) }
}
