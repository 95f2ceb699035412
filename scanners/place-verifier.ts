/** Verifies places one by one, whatever kind of part asks for it. */
import { type Haystack, KeptStates } from '../src/rules/search/fibers.js'
import { codePart, FIXED, FULLWORD, type StringTables } from '../src/rules/search/tables.js'
import { type Found, standsAlone, Verifier } from '../src/rules/search/verifier.js'

export class PlaceVerifier {
  readonly #tables: StringTables
  readonly #verifiers = new Map<number, Verifier>()
  readonly #kept = new KeptStates()
  #places = 0

  constructor(tables: StringTables) {
    this.#tables = tables
  }

  /** A part that takes too long to verify is given up. */
  isExhausted(part: number): boolean {
    return this.#verifiers.get(part)?.isExhausted(this.#places) === true
  }

  /** Tells every match that `sub` of `part` finds from `at`, which may lie outside of what there is. */
  verify(hay: Haystack, part: number, sub: number, at: number, found: Found): void {
    if (at < hay.low || at > hay.high) return
    this.#places++
    if (((this.#tables.flags[part] as number) & FIXED) !== 0) this.#fixed(hay, part, sub, at, found)
    else this.#verifierOf(part).verify(hay, sub, at, found)
  }

  #verifierOf(part: number): Verifier {
    let verifier = this.#verifiers.get(part)
    if (verifier === undefined) {
      verifier = new Verifier(codePart(this.#tables, part), this.#kept)
      this.#verifiers.set(part, verifier)
    }
    return verifier
  }

  #fixed(hay: Haystack, part: number, sub: number, at: number, found: Found): void {
    const { variants, bytes: offsets, values, masks, variantWide, flags } = this.#tables
    const variant = (variants[part] as number) + sub
    const from = offsets[variant] as number
    const length = (offsets[variant + 1] as number) - from
    if (at + length > hay.high) return
    for (let i = 0; i < length; i++)
      if (((hay.bytes[at + i] as number) & (masks[from + i] as number)) !== values[from + i]) return
    const fullword = ((flags[part] as number) & FULLWORD) !== 0
    if (!fullword || standsAlone(hay, at, length, variantWide[variant] === 1)) found(at, length, sub)
  }
}
