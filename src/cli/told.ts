/** What cross-checks show where a source could not be read: neither yes nor no. */
import type { Listing } from '../os/problem.js'

/** Sources by name: whether one has it; null where that source says nothing of anything. */
export type Told<Sources> = { readonly [Name in keyof Sources]: boolean | null }

/** The listing with null for sources that could not be read. */
export function toldOf<
  Sources extends { readonly [Name in keyof Sources]: boolean },
  Item extends { readonly sources: Sources },
>({
  items,
  problems,
  available,
}: Listing<Item> & { readonly available: Sources }): Listing<
  Omit<Item, 'sources'> & { readonly sources: Told<Sources> }
> {
  const told = (sources: Sources) =>
    Object.fromEntries(
      Object.entries<boolean>(sources).map(([name, seen]) => [
        name,
        available[name as keyof Sources] ? seen : null,
      ]),
    ) as Told<Sources>
  return { items: items.map(item => ({ ...item, sources: told(item.sources) })), problems }
}

/** A cell of the table. */
export function seenText(seen: boolean | null | undefined): string {
  if (seen === null) return '-'
  return seen === true ? 'yes' : 'NO'
}
