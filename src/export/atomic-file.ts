/** A file that appears under its name only when it is whole. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { VmsiftError } from '../core/errors.js'
import { reasonOf } from './system-errors.js'

/**
 * Written under a temporary name in the same folder. Disposing without `commit` removes it.
 * Its permissions are what the umask leaves of 0666.
 */
export class AtomicFile implements AsyncDisposable {
  /** Open for writing until `commit`. */
  readonly handle: FileHandle
  readonly #path: string
  readonly #temporary: string
  readonly #replace: boolean
  #open = true

  private constructor(handle: FileHandle, path: string, temporary: string, replace: boolean) {
    this.handle = handle
    this.#path = path
    this.#temporary = temporary
    this.#replace = replace
  }

  /**
   * @throws VmsiftError `output-failed` when `path` exists and `replace` is false, when it is something other than a
   * file, or when the folder can't be written to.
   */
  static async create(path: string, replace: boolean): Promise<AtomicFile> {
    const final = await finalPath(path, replace)
    const temporary = join(
      dirname(final),
      `.${basename(final).slice(0, 200)}.${randomBytes(6).toString('hex')}.tmp`,
    )
    try {
      const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY
      return new AtomicFile(await open(temporary, flags, 0o666), final, temporary, replace)
    } catch (cause) {
      throw outputFailed(path, cause)
    }
  }

  /** Flushes to the disk and gives the file its name. @throws VmsiftError `output-failed`. */
  async commit(): Promise<void> {
    try {
      await this.handle.sync()
      await this.#close()
      if (this.#replace) await rename(this.#temporary, this.#path)
      else await this.#nameIfFree()
      await syncFolder(dirname(this.#path))
    } catch (cause) {
      throw outputFailed(this.#path, cause)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    await rm(this.#temporary, { force: true })
  }

  // A link, unlike rename, never replaces what somebody else put there meanwhile.
  async #nameIfFree(): Promise<void> {
    try {
      await link(this.#temporary, this.#path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error
      await rename(this.#temporary, this.#path) // a file system without links
    }
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.handle.close()
  }
}

/** Follows links, so that a link stays one and its file is replaced. */
async function finalPath(path: string, replace: boolean): Promise<string> {
  try {
    const found = await stat(path)
    if (!found.isFile())
      throw new VmsiftError(
        'output-failed',
        `cannot write ${path}: it exists and is not a file; choose another name`,
        {
          detail: { path },
        },
      )
    if (!replace)
      throw new VmsiftError('output-failed', `${path} exists already; choose another name or give --force`, {
        detail: { path },
      })
    return await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw error instanceof VmsiftError ? error : outputFailed(path, error)
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path)
  await folder.sync().catch(() => undefined) // some file systems can't
}

/** A failed write in plain words. */
export function outputFailed(path: string, cause: unknown): VmsiftError {
  if (cause instanceof VmsiftError) return cause
  return new VmsiftError(
    'output-failed',
    `cannot write ${path}: ${reasonOf(cause as NodeJS.ErrnoException)}`,
    {
      detail: { path },
      cause,
    },
  )
}
