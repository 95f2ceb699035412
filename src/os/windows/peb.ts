/** A process's own memory: its environment block (PEB), command line and loader lists (winternl.h; the layouts are documented). */
import { hex } from '../../core/address.js'
import type { VirtualMemory } from '../../core/virtual-memory.js'
import type { Problems } from '../problem.js'
import { presentBytes } from './pe/image.js'
import { TextBudget, unicodeAt } from './strings.js'

/** Where members lie, by the width of the process's pointers. */
interface Layout {
  readonly pointerBytes: 4 | 8
  readonly ldr: bigint
  readonly parameters: bigint
  readonly imagePath: bigint
  readonly commandLine: bigint
  /** PEB_LDR_DATA.InLoadOrderModuleList. */
  readonly loadOrder: bigint
  /** LDR_DATA_TABLE_ENTRY. */
  readonly base: number
  readonly size: number
  readonly fullName: number
  readonly baseName: number
  readonly entryBytes: number
}

const NARROW: Layout = {
  pointerBytes: 4,
  ldr: 0xcn,
  parameters: 0x10n,
  imagePath: 0x38n,
  commandLine: 0x40n,
  loadOrder: 0xcn,
  base: 0x18,
  size: 0x20,
  fullName: 0x24,
  baseName: 0x2c,
  entryBytes: 0x34,
}
const WIDE: Layout = {
  pointerBytes: 8,
  ldr: 0x18n,
  parameters: 0x20n,
  imagePath: 0x60n,
  commandLine: 0x70n,
  loadOrder: 0x10n,
  base: 0x30,
  size: 0x40,
  fullName: 0x48,
  baseName: 0x58,
  entryBytes: 0x68,
}

const MAX_DLLS = 1 << 14

/** What a process was started as. */
export interface ProcessParameters {
  readonly imagePath?: string
  readonly commandLine?: string
}

/** A library that a process has loaded. */
export interface LoadedImage {
  readonly name: string
  readonly path: string
  readonly base: bigint
  readonly size: number
  /** Address of its entry in the loader's list. */
  readonly address: bigint
  /** It stands in the list of the process's 32-bit half. */
  readonly wow64?: true
}

/** Reads a PEB in the process's own address space. */
export class Peb {
  readonly #memory: VirtualMemory
  readonly #address: bigint
  readonly #layout: Layout
  readonly #end: bigint

  /** `pointerBytes` of the PEB, which may be narrower than the kernel's. */
  constructor(memory: VirtualMemory, address: bigint, pointerBytes: 4 | 8) {
    this.#memory = memory
    this.#address = address
    this.#layout = pointerBytes === 8 ? WIDE : NARROW
    this.#end = pointerBytes === 8 ? 1n << 47n : 1n << 32n
  }

  /** `texts` bounds what those of all processes hold. */
  parameters(texts: TextBudget): ProcessParameters {
    const { parameters, imagePath, commandLine, pointerBytes } = this.#layout
    const at = this.#pointer(this.#address + parameters)
    if (at === undefined) return {}
    const path = texts.take(() => unicodeAt(this.#memory, at + imagePath, pointerBytes))
    const line = texts.take(() => unicodeAt(this.#memory, at + commandLine, pointerBytes))
    return {
      ...(path !== undefined && { imagePath: path }),
      ...(line !== undefined && { commandLine: line }),
    }
  }

  /** The loader's list; what is broken is added to `problems`. */
  images(problems: Problems): LoadedImage[] {
    const { ldr, loadOrder, base, size, fullName, baseName, entryBytes, pointerBytes } = this.#layout
    const data = this.#pointer(this.#address + ldr)
    if (data === undefined) {
      problems.add('absent', `loader's list: PEB ${hex(this.#address)} is not in memory`, this.#address)
      return []
    }
    const head = data + loadOrder
    const found: LoadedImage[] = []
    const texts = new TextBudget(problems, "loader's list")
    const text = (at: bigint) => texts.take(() => unicodeAt(this.#memory, at, pointerBytes)) ?? ''
    const seen = new Set<bigint>([head])
    for (let node = this.#pointer(head); node !== head; ) {
      if (node === undefined) {
        problems.add('absent', `loader's list: an entry is not in memory`, this.#address)
        break
      }
      if (seen.has(node) || found.length >= MAX_DLLS) {
        const kind = seen.has(node) ? 'loop' : 'cut'
        problems.add(
          kind,
          `loader's list: ${kind === 'loop' ? `leads back to ${hex(node)}` : `cut at ${MAX_DLLS} entries`}`,
          node,
        )
        break
      }
      seen.add(node)
      const entry = presentBytes(this.#memory, node, entryBytes)
      if (entry === undefined) {
        problems.add('absent', `loader's list: entry ${hex(node)} is not in memory`, node)
        break
      }
      const wide = pointerBytes === 8
      const pointerAt = (at: number) => (wide ? entry.readBigUInt64LE(at) : BigInt(entry.readUInt32LE(at)))
      found.push({
        name: text(node + BigInt(baseName)),
        path: text(node + BigInt(fullName)),
        base: pointerAt(base),
        size: entry.readUInt32LE(size),
        address: node,
      })
      const next = pointerAt(0)
      node = next > 0n && next < this.#end ? next : undefined
    }
    return found
  }

  /** A pointer into the user's half. */
  #pointer(address: bigint): bigint | undefined {
    const { pointerBytes } = this.#layout
    const bytes = presentBytes(this.#memory, address, pointerBytes)
    if (bytes === undefined) return undefined
    const value = pointerBytes === 8 ? bytes.readBigUInt64LE(0) : BigInt(bytes.readUInt32LE(0))
    return value > 0n && value < this.#end ? value : undefined
  }
}
