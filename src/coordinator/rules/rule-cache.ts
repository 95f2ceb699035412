/**
 * Compiled rules, kept on disk: what is searched, ready for the matcher, and the rules themselves. The name of a file is a hash over the
 * rules' text and all versions involved; texts that were included are hashed in the file. It can only save time: what is damaged, of another
 * version, or can't be read or written, is as good as nothing.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { RuleSet } from '../../rules/ast.js'
import type { Guards } from '../../rules/guards.js'
import type { StringTables } from '../../rules/search/tables.js'
import { makeFolder } from '../cache-folder.js'
import { inSharedMemory, outOfSharedMemory } from './shared-columns.js'

/** Changes when what is kept, or how it is made, changes. */
const FORMAT = 'vmsift rules 3'
const MAX_BYTES = 512 << 20
/** Files of each kind that are kept; the oldest go first. */
const MAX_FILES = 8
const NAME = /^[0-9a-f]{64}\.(guards|strings)$/
const DIGEST_BYTES = 32
/** Digest of the rest, length of the head, length of the tables. */
const HEAD_AT = DIGEST_BYTES + 8

interface Head {
  readonly included: readonly { readonly path: string; readonly digest: string }[]
}

/**
 * `guards`: what tells which rules can hold. `strings`: the tables of those that are searched, and what it takes to evaluate them. The rules
 * themselves are not kept: to read them takes as long as to compile them.
 */
type Kind = 'guards' | 'strings'

export interface KeptStrings {
  readonly tables: StringTables
  /** Decoded when it is called. */
  readonly ruleSet: () => RuleSet
}

export class RuleCache {
  readonly #folder: string | undefined

  /** Without a folder it holds nothing. */
  constructor(folder: string | undefined) {
    this.#folder = folder
  }

  /** What was kept under a key (64 hex digits), if nothing that went into it has changed. */
  readGuards(key: string): Guards | undefined {
    const kept = this.#read(key, 'guards')
    return kept && (deserialize(kept.first) as Guards)
  }

  readStrings(key: string): KeptStrings | undefined {
    const kept = this.#read(key, 'strings')
    return (
      kept && {
        tables: inSharedMemory(deserialize(kept.first)) as StringTables,
        ruleSet: () => deserialize(kept.second) as RuleSet,
      }
    )
  }

  /** What writes guards, whenever it is called. `included`: files that went into them, besides those in the key. */
  guardsWriter(key: string, guards: Guards, included: readonly string[]): () => void {
    return this.#writer(key, 'guards', included, () => [serialize(guards)])
  }

  stringsWriter(
    key: string,
    tables: StringTables,
    ruleSet: () => RuleSet,
    included: readonly string[],
  ): () => void {
    return this.#writer(key, 'strings', included, () => [
      serialize(outOfSharedMemory(tables)),
      serialize(ruleSet()),
    ])
  }

  #read(key: string, kind: Kind): { readonly first: Buffer; readonly second: Buffer } | undefined {
    const folder = this.#folder
    if (folder === undefined) return undefined
    try {
      const path = join(folder, `${key}.${kind}`)
      const stat = statSync(path)
      if (!stat.isFile() || stat.size > MAX_BYTES) return undefined
      const bytes = readFileSync(path)
      if (!digest(bytes.subarray(DIGEST_BYTES)).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined
      const headEnd = HEAD_AT + bytes.readUInt32LE(DIGEST_BYTES)
      const firstEnd = headEnd + bytes.readUInt32LE(DIGEST_BYTES + 4)
      const head = JSON.parse(bytes.toString('utf8', HEAD_AT, headEnd)) as Head
      const same = head.included.every(
        file => digest(readFileSync(file.path)).toString('hex') === file.digest,
      )
      return same ? { first: bytes.subarray(headEnd, firstEnd), second: bytes.subarray(firstEnd) } : undefined
    } catch {
      // not there, not readable, not whole: rules are compiled anew
      return undefined
    }
  }

  /** The files that are included are read now: when it writes, they may have changed. */
  #writer(key: string, kind: Kind, included: readonly string[], parts: () => readonly Buffer[]): () => void {
    const folder = this.#folder
    if (folder === undefined) return () => undefined
    try {
      const head: Head = {
        included: included.map(path => ({ path, digest: digestOf(readFileSync(path)) })),
      }
      return () => this.#write(folder, key, kind, head, parts)
    } catch {
      // one of them is gone: there is nothing to keep
      return () => undefined
    }
  }

  /** Written beside and renamed, so that nobody reads half of it. */
  #write(folder: string, key: string, kind: Kind, head: Head, serialized: () => readonly Buffer[]): void {
    const beside = join(folder, `${key}.${process.pid}.tmp`)
    try {
      const headBytes = Buffer.from(JSON.stringify(head))
      const parts = serialized()
      const lengths = Buffer.alloc(8)
      lengths.writeUInt32LE(headBytes.length, 0)
      lengths.writeUInt32LE(parts[0]?.length ?? 0, 4)
      const rest = Buffer.concat([lengths, headBytes, ...parts])
      if (rest.length > MAX_BYTES) return
      makeFolder(folder)
      writeFileSync(beside, Buffer.concat([digest(rest), rest]), { mode: 0o600, flag: 'wx' })
      renameSync(beside, join(folder, `${key}.${kind}`))
      this.#prune(folder, kind)
    } catch {
      // it would only have saved time
      try {
        unlinkSync(beside)
      } catch {
        // it was never made
      }
    }
  }

  #prune(folder: string, kind: Kind): void {
    const aged = readdirSync(folder)
      .filter(name => NAME.test(name) && name.endsWith(`.${kind}`))
      .map(name => ({ name, time: statSync(join(folder, name)).mtimeMs }))
      .sort((a, b) => b.time - a.time)
    for (const { name } of aged.slice(MAX_FILES)) unlinkSync(join(folder, name))
  }
}

/** The key of whatever `parts` tell apart. */
export function cacheKey(parts: unknown): string {
  // what v8 serializes may be read by the same v8 only
  const text = JSON.stringify([FORMAT, process.versions.v8, process.arch, parts], (_, value: unknown) =>
    // never what a text is told as
    typeof value === 'bigint' ? { integer: `${value}` } : value,
  )
  return digest(Buffer.from(text)).toString('hex')
}

/** What stands for a text in a key. */
export function digestOf(text: string | Uint8Array): string {
  return digest(typeof text === 'string' ? Buffer.from(text) : text).toString('hex')
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
