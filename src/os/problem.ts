/** What was wrong in a guest's own structures: told beside what was read, never thrown. */

/** What kind of thing went wrong. */
export type ProblemKind =
  /** A structure or a link lies in memory that is not there. */
  | 'absent'
  /** A link or a value can't be right: a back link to elsewhere, a pointer into user space. */
  | 'broken'
  /** A list or a tree leads back into itself. */
  | 'loop'
  /** There was more than the bound; the rest was left out. */
  | 'cut'
  /** The symbols or types don't have what this needs. */
  | 'unknown'

/** One oddity, as plain data. */
export interface Problem {
  readonly kind: ProblemKind
  /** What was being read, and what is wrong: `task list: back link of 0xffff... is 0x0`. */
  readonly message: string
  /** Kernel virtual address at which it was seen, 0 where there is none. */
  readonly address: bigint
}

/** What a list function gives: what could be read, and what was wrong. */
export interface Listing<T> {
  readonly items: readonly T[]
  readonly problems: readonly Problem[]
}

const MAX_PROBLEMS = 200

/** Collects problems, at most 200: a hostile guest may have millions. The last entry then says that there were more. */
export class Problems {
  readonly #list: Problem[] = []

  get list(): readonly Problem[] {
    return this.#list
  }

  add(kind: ProblemKind, message: string, address = 0n): void {
    if (this.#list.length < MAX_PROBLEMS) this.#list.push({ kind, message, address })
    else if (this.#list.length === MAX_PROBLEMS)
      this.#list.push({
        kind: 'cut',
        message: `more than ${MAX_PROBLEMS} problems: the rest is not told`,
        address: 0n,
      })
  }

  addAll(problems: Iterable<Problem>): void {
    for (const { kind, message, address } of problems) this.add(kind, message, address)
  }
}
