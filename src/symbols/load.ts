/** A symbol file of the user's, whatever it is: told by its bytes, not by its name. */
import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { VmsiftError } from '../core/errors.js'
import { btfSections } from './btf-blob.js'
import { parseBtf } from './btf-types.js'
import type { Provenance, SymbolTable, TypeTable } from './contract.js'
import { isfOf, parseJson } from './isf.js'
import { isRekallProfile, parseRekall } from './rekall.js'
import { looksLikeSystemMap, parseSystemMap, type SymbolFileOptions } from './system-map.js'
import { decompressXz, isXz } from './xz.js'

/** What a symbol file gives: names, layouts, or both. */
export interface SymbolFile {
  readonly source: Provenance
  readonly symbols?: SymbolTable
  readonly types?: TypeTable
  /** `Linux version ...` of the kernel it is for, where the file tells. */
  readonly banner?: string
  /** The PDB that it was made from, where the file tells: a Windows kernel's. Addresses are then relative to the image. */
  readonly pdb?: PdbIdentity
}

/** What tells a PDB from every other. */
export interface PdbIdentity {
  readonly name: string
  /** 32 upper case hexadecimal digits. */
  readonly guid: string
  readonly age: number
}

const MAX_FILE_BYTES = 512 << 20

/**
 * Reads a System.map, what /proc/kallsyms prints, an ISF JSON (also .xz), a Rekall profile, or a raw BTF blob (/sys/kernel/btf/vmlinux). Addresses are
 * moved by `kaslrOffset`, save those of a kallsyms text, which are the running kernel's already.
 * @throws VmsiftError `target-not-found`, `target-unreadable`, `target-unsupported` when it is none of these, `image-corrupt`.
 */
export async function loadSymbolFile(path: string, options: SymbolFileOptions = {}): Promise<SymbolFile> {
  const raw = await readSymbolFile(path)
  const name = options.name ?? basename(path)
  return parseSymbolFile(isXz(raw) ? await decompressXz(raw, name) : raw, { ...options, name })
}

/** As `loadSymbolFile`, of bytes that are not compressed. */
export function parseSymbolFile(bytes: Uint8Array, options: SymbolFileOptions = {}): SymbolFile {
  const name = options.name ?? 'symbol file'
  if (btfSections(bytes) !== undefined) {
    const types = parseBtf(bytes)
    if (types !== undefined) return { source: types.source, types }
    throw new VmsiftError(
      'image-corrupt',
      `${name} is a broken BTF blob, or that of a module; give the kernel's own`,
    )
  }
  if (looksLikeSystemMap(bytes)) {
    const symbols = parseSystemMap(bytes, options)
    return { source: symbols.source, symbols }
  }
  if (looksLikeJson(bytes)) {
    const root = parseJson(bytes, name)
    if (isRekallProfile(root)) return parseRekall(root, name)
    const { symbols, types, banner, pdb } = isfOf(root, { ...options, name })
    return {
      source: symbols.source,
      symbols,
      types,
      ...(banner === undefined ? {} : { banner }),
      ...(pdb === undefined ? {} : { pdb }),
    }
  }
  throw new VmsiftError(
    'target-unsupported',
    `${name} is no symbol file: give a System.map, an ISF JSON (or .json.xz), a Rekall profile, or a BTF blob`,
  )
}

async function readSymbolFile(path: string): Promise<Buffer> {
  try {
    const { size } = statSync(path)
    if (size > MAX_FILE_BYTES)
      throw new VmsiftError('target-unsupported', `${path} is too large for a symbol file: ${size} bytes`)
    return await readFile(path)
  } catch (error) {
    if (error instanceof VmsiftError) throw error
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new VmsiftError('target-not-found', `no such symbol file: ${path}`, { cause: error })
    throw new VmsiftError('target-unreadable', `can't read symbol file ${path}: ${code ?? String(error)}`, {
      cause: error,
    })
  }
}

/** `{` behind white space or a byte order mark. */
function looksLikeJson(bytes: Uint8Array): boolean {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  while (at < bytes.length && at < 4096 && (bytes[at] as number) <= 0x20) at++
  return bytes[at] === 0x7b
}
