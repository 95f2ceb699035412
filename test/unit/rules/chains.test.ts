/** Links of a chain put together, against a naive search of every way through them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ChainLink, linkUp } from '../../../src/rules/search/chains.js'
import { OffsetColumns } from '../../../src/rules/search/columns.js'

interface Match {
  readonly offset: number
  readonly length: number
}
type Link = { readonly matches: readonly Match[]; readonly gapMin: number; readonly gapMax: number }

function columnsOf(matches: readonly Match[]): OffsetColumns {
  const columns = new OffsetColumns()
  for (const { offset, length } of matches) columns.push(offset, length)
  return columns
}

/** `offset+length` of each match of the chain. */
function linked(links: readonly Link[], stretchEnd: (offset: number) => number): string[] {
  const chain: ChainLink[] = links.map(link => ({ ...link, matches: columnsOf(link.matches) }))
  const whole = linkUp(chain, stretchEnd)
  return Array.from({ length: whole.count }, (_, i) => `${whole.offsetAt(i)}+${whole.lengthAt(i)}`)
}

function naively([head, ...rest]: readonly Link[], stretchEnd: (offset: number) => number): string[] {
  const ends = (match: Match, links: readonly Link[]): number[] => {
    const end = match.offset + match.length
    const [link, ...others] = links
    if (link === undefined) return [end]
    return link.matches
      .filter(({ offset }) => offset - end >= link.gapMin && offset - end <= link.gapMax)
      .filter(({ offset }) => offset < stretchEnd(match.offset))
      .flatMap(next => ends(next, others))
  }
  return (head as Link).matches.flatMap(match => {
    const all = ends(match, rest)
    return all.length === 0 ? [] : [`${match.offset}+${Math.min(...all) - match.offset}`]
  })
}

const matches = (length: number): fc.Arbitrary<Match[]> =>
  fc
    .uniqueArray(fc.nat(60), { maxLength: 12 })
    .map(offsets => offsets.sort((a, b) => a - b).map(offset => ({ offset, length })))
const link = fc
  .tuple(fc.integer({ min: 1, max: 3 }).chain(matches), fc.nat(6), fc.nat(20))
  .map(([found, gapMin, more]): Link => ({ matches: found, gapMin, gapMax: gapMin + more }))

describe('a chain', () => {
  it('starts at each first link from which its last one can be reached, in one stretch', () => {
    fc.assert(
      fc.property(
        fc.array(link, { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 1, max: 61 }),
        (links, stretch) => {
          const stretchEnd = (offset: number): number => (Math.floor(offset / stretch) + 1) * stretch
          expect(linked(links, stretchEnd)).toEqual(naively(links, stretchEnd))
        },
      ),
      { numRuns: 500 },
    )
  })

  it.each([
    ['ends before the stretch does', 11, ['0+12']],
    ['does not reach a link that begins behind the stretch', 10, []],
  ])('%s', (_, end, found) => {
    const links = [
      { matches: [{ offset: 0, length: 2 }], gapMin: 0, gapMax: 0 },
      { matches: [{ offset: 10, length: 2 }], gapMin: 0, gapMax: 300 },
    ]
    expect(linked(links, () => end)).toEqual(found)
  })
})
