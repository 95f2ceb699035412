/** Offsets out of PDBs (facts.json, written by extract-facts.ts), which the reader under test does not share. */
import { readFileSync } from 'node:fs'

export type GuestName =
  | 'xp-sp2-x86'
  | 'xp-sp2-x86-pae'
  | '2003-sp0-x86'
  | '2003-sp1-x86'
  | '2003-sp2-x64'
  | 'vista-sp0-x64'
  | 'vista-sp2-x86'
  | 'vista-sp2-x64'
  | '7-sp1-x86'
  | '7-sp1-x64'
  | '8-x86'
  | '8-x64'
  | '8.1-x64'
  | '10-17763-x64'
  | '10-19041-x86'
  | '10-19041-x64'
  | '11-22000-x64'

/** Offset; for a bit field also its first bit there, and how many. */
type Fact = readonly [offset: number, first?: number, count?: number]

interface GuestFacts {
  readonly sources: readonly string[]
  /** Members that only one of the sources has. */
  readonly single: readonly string[]
  readonly sizes: Readonly<Record<string, number>>
  readonly members: Readonly<Record<string, Fact>>
  readonly symbols: Readonly<Record<string, number>>
}

const FACTS = JSON.parse(readFileSync(new URL('facts.json', import.meta.url), 'utf8')) as Record<
  GuestName,
  GuestFacts
>

/** Where a build has what. */
export class Facts {
  readonly #facts: GuestFacts

  constructor(name: GuestName) {
    this.#facts = FACTS[name]
  }

  /** Tables that the offsets come from; one only means that nothing confirms them. */
  get sources(): readonly string[] {
    return this.#facts.sources
  }

  size(type: string): number {
    const size = this.#facts.sizes[type]
    if (size === undefined) throw new Error(`no size of ${type}`)
    return size
  }

  has(path: string): boolean {
    return path in this.#facts.members
  }

  /** The first of these paths that the build has. */
  fact(...paths: readonly string[]): Fact {
    for (const path of paths) {
      const found = this.#facts.members[path]
      if (found !== undefined) return found
    }
    throw new Error(`no ${paths.join(' or ')}`)
  }

  offset(...paths: readonly string[]): number {
    return this.fact(...paths)[0]
  }

  /** Place of a symbol in the kernel's image, for builds whose table tells. */
  symbol(name: string): number | undefined {
    return this.#facts.symbols[name]
  }
}
