/** Structures written down as offsets on 32 and on 64 bits, and how they become facts. */
import type { Member } from '../../../symbols/contract.js'
import type { FactTypes } from './facts.js'

/** What a member is: its bytes, a pointer, a list entry, a counted string, or bits of a word. */
export type Kind =
  | 1
  | 2
  | 4
  | 8
  | 'pointer'
  | 'list'
  | 'string'
  | readonly [bytes: 4 | 8, first: number, count: number]

/** Offset on 32 bits, on 64 bits (undefined: not there), and what it is. */
export type Entry = readonly [narrow: number | undefined, wide: number | undefined, kind: Kind]

export type Structure = Readonly<Record<string, Entry>>

/** Adds these structures' members, and how many bytes they reach. */
export function addStructures(
  facts: FactTypes,
  structures: Readonly<Record<string, Structure>>,
  wide: boolean,
): void {
  for (const [type, entries] of Object.entries(structures)) {
    let end = 0
    for (const [name, [narrow, broad, kind]] of Object.entries(entries)) {
      const offset = wide ? broad : narrow
      if (offset === undefined) continue
      const each = member(offset, kind, wide)
      facts.add(type, name, each, 'structure')
      end = Math.max(end, offset + each.bytes)
    }
    facts.size(type, end)
  }
}

/** A member of one kind at an offset. */
export function member(offset: number, kind: Kind, wide: boolean): Member {
  const pointerBytes = wide ? 8 : 4
  if (kind === 'pointer') return { offset, bytes: pointerBytes }
  if (kind === 'list') return { offset, bytes: 2 * pointerBytes }
  if (kind === 'string') return { offset, bytes: 2 * pointerBytes, typeName: '_UNICODE_STRING' }
  if (typeof kind === 'number') return { offset, bytes: kind }
  const [, first, count] = kind
  const byte = Math.floor(first / 8)
  return {
    offset: offset + byte,
    bytes: Math.ceil(((first % 8) + count) / 8),
    bits: { first: first % 8, count },
  }
}
