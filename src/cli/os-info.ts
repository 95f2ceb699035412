/** What `info` tells of the guest's system. */
import type { FoundLinux, FoundWindows, Guest } from '../coordinator/guest.js'
import { hex } from '../core/address.js'
import type { KernelPlace, WindowsKernel } from '../os/windows/kernel.js'
import { escapeText } from './escape.js'

/** Fields of `os`. */
export function osFields(guest: Guest): Record<string, unknown> {
  return guest.family === 'linux' ? linuxFields(guest) : windowsFields(guest)
}

/** Rows of the table. */
export function osRows(guest: Guest): (readonly [string, string])[] {
  return guest.family === 'linux' ? linuxRows(guest) : windowsRows(guest)
}

function linuxFields({ family, kernel, base }: FoundLinux): Record<string, unknown> {
  return {
    family,
    version: kernel.release,
    kernelBase: hex(kernel.kernelBase),
    kaslrOffset: hex(kernel.kaslrOffset),
    dtb: hex(kernel.dtb),
    banner: kernel.banner,
    paging: kernel.paging.name,
    symbols: kernel.symbols.source,
    types: kernel.types.source,
    derived: kernel.derived,
    ...(base === 0 ? {} : { base: hex(base) }),
  }
}

function linuxRows({ kernel, base }: FoundLinux): (readonly [string, string])[] {
  const derived = kernel.derived.map(escapeText)
  return [
    ['kernel', `Linux ${escapeText(kernel.release)}`],
    [
      'kernel at',
      `${hex(kernel.kernelBase)} (moved by ${hex(kernel.kaslrOffset)}), page table ${hex(kernel.dtb)}`,
    ],
    ['paging', kernel.paging.name],
    ['symbols, types from', `${kernel.symbols.source}, ${kernel.types.source}`],
    ...(derived.length === 0 ? [] : [['derived', derived.join('\n')] as const]),
    ...(base === 0 ? [] : [['memory begins at', hex(base)] as const]),
  ]
}

function windowsFields({ family, kernel }: FoundWindows): Record<string, unknown> {
  const { pdb, paging } = kernel
  return {
    family,
    version: kernel.release,
    kernelBase: hex(kernel.kernelBase),
    // images are linked for an address that memory no longer tells
    kaslrOffset: null,
    dtb: paging === undefined ? null : hex(kernel.dtb),
    build: kernel.build ?? null,
    kernelBytes: kernel.kernelBytes,
    paging: paging?.name ?? null,
    pdb: pdb === undefined ? null : { name: pdb.name, guid: pdb.guid, age: pdb.age },
    symbols: kernel.symbols.source,
    types: kernel.symbolFile ? kernel.types.source : 'derived',
    foundBy: kernel.foundBy,
    places: Object.fromEntries(
      placesOf(kernel).map(([name, { address, from }]) => [name, { address: hex(address), from }]),
    ),
    offsets: kernel.origins.map(({ member, offset, from }) => ({ member, offset, from })),
    disagreements: kernel.disagreements,
  }
}

function placesOf({ places }: WindowsKernel): [string, KernelPlace][] {
  const { systemProcess, processHead, moduleHead, kdbg, cidTable } = places
  return Object.entries({ systemProcess, processHead, moduleHead, kdbg, cidTable }).filter(
    (entry): entry is [string, KernelPlace] => entry[1] !== undefined,
  )
}

function windowsRows({ kernel }: FoundWindows): (readonly [string, string])[] {
  const { pdb, paging, foundBy, disagreements } = kernel
  const table = paging === undefined ? '' : `, page table ${hex(kernel.dtb)}`
  const sources = new Set(
    kernel.origins.map(({ from }) => from.replace(/ Ps\w+$/, 's').replace(/^accessors$/, 'its own code')),
  )
  return [
    [
      'kernel',
      escapeText(`Windows ${kernel.release}${kernel.build === undefined ? '' : ` (${kernel.build})`}`),
    ],
    ['kernel at', `${hex(kernel.kernelBase)}${table}`],
    ['paging', paging?.name ?? 'none: the dump holds virtual memory only'],
    ['PDB', pdb === undefined ? 'not told' : escapeText(`${pdb.name} ${pdb.guid}, age ${pdb.age}`)],
    [
      'found by',
      foundBy.map(({ way, agrees, detail }) => `${way}: ${detail}${agrees ? '' : ' (DISAGREES)'}`).join('\n'),
    ],
    ['symbols from', kernel.symbols.source],
    ['layouts from', [...sources].sort().join('\n')],
    ...(disagreements.length === 0
      ? []
      : [['disagreements', disagreements.map(escapeText).join('\n')] as const]),
  ]
}
