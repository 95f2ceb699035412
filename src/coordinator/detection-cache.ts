/**
 * What was found in an image, kept on disk until the image changes. It can only save time: a cache that can't be read or written is as
 * good as none, and what it says is checked against the image before it is used.
 */
import {
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { tolerant } from '../core/tolerant.js'
import { makeFolder } from './cache-folder.js'

/** No record comes near this. */
const MAX_BYTES = 8 << 20
/** Files that are kept; the oldest go first. */
const MAX_FILES = 256
const SUFFIX = '.json'
/** Of files that are being written, and how long that may take. */
const BESIDE = '.tmp'
const BESIDE_MS = 60_000
/** Names of this cache's own files: the folder may be one that a person keeps other things in, which are none of ours to drop. */
const RECORD_NAME = /^[0-9a-f]{64}\.json$/
const BESIDE_NAME = /^[0-9a-f]{64}\.[0-9]+\.[0-9a-z]+\.tmp$/

/** Texts by identity. */
export class DetectionCache {
  readonly #folder: string | undefined

  /** Without a folder it holds nothing. */
  constructor(folder: string | undefined) {
    this.#folder = folder
  }

  /** What was kept under this identity (64 hex digits), undefined when there is nothing. */
  read(identity: string): string | undefined {
    if (this.#folder === undefined) return undefined
    const path = join(this.#folder, identity + SUFFIX)
    return tolerant(() => {
      const stat = statSync(path)
      // a pipe would be waited for, a device read without an end
      return stat.isFile() && stat.size <= MAX_BYTES ? readFileSync(path, 'utf8') : undefined
    })
  }

  /** Keeps `text`: written beside and renamed, so that nobody reads half of it. */
  write(identity: string, text: string): void {
    const folder = this.#folder
    if (folder === undefined || text.length > MAX_BYTES) return
    tolerant(() => {
      makeFolder(folder)
      const beside = join(folder, `${identity}.${process.pid}.${Date.now().toString(36)}${BESIDE}`)
      try {
        writeFileSync(beside, text, { mode: 0o600, flag: 'wx' })
        renameSync(beside, join(folder, identity + SUFFIX))
      } catch (error) {
        tolerant(() => unlinkSync(beside))
        throw error
      }
      prune(folder)
    })
  }
}

/** Leaves the newest records, and nothing half written that is older than a minute. */
function prune(folder: string): void {
  const names = readdirSync(folder)
  const aged = (wanted: RegExp) =>
    names
      .filter(name => wanted.test(name))
      .map(name => ({ name, time: tolerant(() => lstatSync(join(folder, name)).mtimeMs) ?? 0 }))
  const stale = aged(BESIDE_NAME).filter(({ time }) => time < Date.now() - BESIDE_MS)
  const records = aged(RECORD_NAME).sort((a, b) => b.time - a.time)
  for (const { name } of [...stale, ...records.slice(MAX_FILES)])
    tolerant(() => unlinkSync(join(folder, name)))
}
