/** A type table that is read when something is asked that it was not asked before. */
import type { Member, TypeTable } from '../../../symbols/contract.js'

const MAX_ANSWERS = 16_384
/** Longer names are not kept. */
const MAX_KEY = 512

/** What was asked and answered; null where there is no such thing. */
export interface TypeAnswers {
  readonly sizes: Record<string, number | null>
  /** Keys are `type path`. */
  readonly members: Record<string, Member | null>
  readonly enumerators: Record<string, number | null>
  readonly lists: Record<string, readonly string[] | null>
}

/** Wraps a table: the answers of an earlier run stand in for it until they don't suffice. */
export class MemoTypes implements TypeTable {
  readonly source: string
  readonly #load: () => TypeTable
  readonly #sizes: Memo<number>
  readonly #members: Memo<Member>
  readonly #enumerators: Memo<number>
  readonly #lists: Memo<readonly string[]>
  #table: TypeTable | undefined

  /** `load` is called at most once; `source` is that of the table it gives. */
  constructor(source: string, load: () => TypeTable, answers?: TypeAnswers) {
    this.source = source
    this.#load = load
    this.#sizes = new Memo(answers?.sizes)
    this.#members = new Memo(answers?.members)
    this.#enumerators = new Memo(answers?.enumerators)
    this.#lists = new Memo(answers?.lists)
  }

  /** How many answers were learnt since it was made. */
  get learnt(): number {
    return this.#sizes.learnt + this.#members.learnt + this.#enumerators.learnt + this.#lists.learnt
  }

  /** What is worth keeping for the next run. */
  answers(): TypeAnswers {
    return {
      sizes: this.#sizes.answers(),
      members: this.#members.answers(),
      enumerators: this.#enumerators.answers(),
      lists: this.#lists.answers(),
    }
  }

  sizeOf(type: string): number | undefined {
    return this.#sizes.get(type, () => this.#full().sizeOf(type))
  }

  member(type: string, path: string): Member | undefined {
    return this.#members.get(`${type} ${path}`, () => this.#full().member(type, path))
  }

  enumerator(name: string): number | undefined {
    return this.#enumerators.get(name, () => this.#full().enumerator(name))
  }

  members(type: string): readonly string[] | undefined {
    return this.#lists.get(type, () => this.#full().members(type))
  }

  #full(): TypeTable {
    this.#table ??= this.#load()
    return this.#table
  }
}

/** Answers by key, undefined ones too. */
class Memo<T> {
  readonly #known: Map<string, T | undefined>
  learnt = 0

  constructor(answers: Record<string, T | null> = {}) {
    this.#known = new Map(Object.entries(answers).map(([key, value]) => [key, value ?? undefined]))
  }

  get(key: string, ask: () => T | undefined): T | undefined {
    if (this.#known.has(key)) return this.#known.get(key)
    const value = ask()
    if (this.#known.size < MAX_ANSWERS && key.length <= MAX_KEY) {
      this.#known.set(key, value)
      this.learnt++
    }
    return value
  }

  answers(): Record<string, T | null> {
    return Object.fromEntries([...this.#known].map(([key, value]) => [key, value ?? null]))
  }
}
