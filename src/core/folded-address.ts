/**
 * Virtual addresses as numbers. Memory that a target holds by virtual address only (a triage dump) lies at folded addresses: the low
 * 52 bits, so that everything made for guest physical addresses serves it too. Sign extension gives the address back, since all
 * processors want the bits above the highest one used to be copies of it (Intel SDM vol. 3A 4.5.1, Arm ARM D8.1.3).
 */

const FOLDED_BITS = 52n
const HALF = 2 ** 51
const SPAN = 2 ** 52

/** The low 52 bits; undefined for an address from which they would not give it back. */
export function foldAddress(va: bigint): number | undefined {
  const folded = BigInt.asUintN(52, va)
  return BigInt.asUintN(64, BigInt.asIntN(Number(FOLDED_BITS), folded)) === va ? Number(folded) : undefined
}

/** The virtual address of a folded one. */
export function unfoldAddress(folded: number): bigint {
  return folded < HALF ? BigInt(folded) : BigInt.asUintN(64, BigInt(folded) - BigInt(SPAN))
}
