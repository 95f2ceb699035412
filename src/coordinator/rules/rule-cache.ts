/**
 * Compiled rules, kept on disk: what is searched, ready for the matcher, and the rules themselves. The name of a file is a hash over the
 * rules' text and all versions involved; texts that were included are hashed in the file. It can only save time: what is damaged, of another
 * version, or can't be read or written, is as good as nothing.
 */
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { RuleSet } from '../../rules/ast.js'
import type { StringTables } from '../../rules/search/tables.js'
import { inSharedMemory, outOfSharedMemory } from './shared-columns.js'

/** Changes when what is kept, or how it is made, changes. */
const FORMAT = 'vmsift rules 1'
const MAX_BYTES = 512 << 20
/** Files that are kept; the oldest go first. */
const MAX_FILES = 8
const SUFFIX = '.rules'
const NAME = /^[0-9a-f]{64}\.rules$/
const DIGEST_BYTES = 32
/** Digest of the rest, length of the head, length of the tables. */
const HEAD_AT = DIGEST_BYTES + 8

interface Head {
  readonly included: readonly { readonly path: string; readonly digest: string }[]
}

export interface KeptRules {
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
  read(key: string): KeptRules | undefined {
    const folder = this.#folder
    if (folder === undefined) return undefined
    try {
      const path = join(folder, key + SUFFIX)
      const stat = statSync(path)
      if (!stat.isFile() || stat.size > MAX_BYTES) return undefined
      const bytes = readFileSync(path)
      if (!digest(bytes.subarray(DIGEST_BYTES)).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined
      const headEnd = HEAD_AT + bytes.readUInt32LE(DIGEST_BYTES)
      const tablesEnd = headEnd + bytes.readUInt32LE(DIGEST_BYTES + 4)
      const head = JSON.parse(bytes.toString('utf8', HEAD_AT, headEnd)) as Head
      if (!head.included.every(file => digest(readFileSync(file.path)).toString('hex') === file.digest))
        return undefined
      return {
        tables: inSharedMemory(deserialize(bytes.subarray(headEnd, tablesEnd))) as StringTables,
        ruleSet: () => deserialize(bytes.subarray(tablesEnd)) as RuleSet,
      }
    } catch {
      // not there, not readable, not whole: rules are compiled anew
      return undefined
    }
  }

  /** Keeps rules: written beside and renamed, so that nobody reads half of them. `included`: files besides those in the key. */
  write(key: string, ruleSet: RuleSet, tables: StringTables, included: readonly string[]): void {
    const folder = this.#folder
    if (folder === undefined) return
    const beside = join(folder, `${key}.${process.pid}.tmp`)
    try {
      const head: Head = {
        included: included.map(path => ({ path, digest: digest(readFileSync(path)).toString('hex') })),
      }
      const parts = [
        Buffer.from(JSON.stringify(head)),
        serialize(outOfSharedMemory(tables)),
        serialize(ruleSet),
      ]
      const lengths = Buffer.alloc(8)
      lengths.writeUInt32LE(parts[0]?.length ?? 0, 0)
      lengths.writeUInt32LE(parts[1]?.length ?? 0, 4)
      const rest = Buffer.concat([lengths, ...parts])
      if (rest.length > MAX_BYTES) return
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeFileSync(beside, Buffer.concat([digest(rest), rest]), { mode: 0o600, flag: 'wx' })
      renameSync(beside, join(folder, key + SUFFIX))
      this.#prune(folder)
    } catch {
      // it would only have saved time
      try {
        unlinkSync(beside)
      } catch {
        // it was never made
      }
    }
  }

  #prune(folder: string): void {
    const aged = readdirSync(folder)
      .filter(name => NAME.test(name))
      .map(name => ({ name, time: statSync(join(folder, name)).mtimeMs }))
      .sort((a, b) => b.time - a.time)
    for (const { name } of aged.slice(MAX_FILES)) unlinkSync(join(folder, name))
  }
}

/** The key of whatever `parts` tell apart. */
export function cacheKey(parts: unknown): string {
  const text = JSON.stringify([FORMAT, parts], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  )
  return digest(Buffer.from(text)).toString('hex')
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
