/** Where results go: stdout or a file, in large pieces, never faster than the reader takes them. */
import { createWriteStream, fstatSync, ftruncateSync, openSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { VmsiftError } from '../core/errors.js'
import { reasonOf } from '../export/system-errors.js'

/** The reader closed stdout (`| head`): no failure, nothing more to do. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed'
}

const PIECE_CHARS = 64 * 1024
/** Lines wait no longer than this for company. */
const FLUSH_MS = 100

/** Batches text; `write` returns a promise when the caller has to wait for the reader. */
export class Output {
  readonly #stream: Writable
  readonly #name: string
  readonly #beforeWrite: () => void
  #text = ''
  #timer: NodeJS.Timeout | undefined
  #busy: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  /** `beforeWrite` runs before each piece: it takes the progress bar off a shared terminal, or empties the file. */
  constructor(stream: Writable, name: string, beforeWrite: () => void = () => {}) {
    this.#stream = stream
    this.#name = name
    this.#beforeWrite = beforeWrite
    // Without a listener a failed write would end the process; the failure itself arrives through the write's callback too.
    stream.on('error', error => this.#fail(error))
  }

  /** @throws OutputClosed when the reader is gone, VmsiftError `output-failed` when writing failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Adds text. Await what it returns, if anything. */
  write(text: string): Promise<void> | undefined {
    this.check()
    this.#text += text
    if (this.#text.length >= PIECE_CHARS) return this.flush()
    this.#timer ??= setTimeout(() => void this.#send(), FLUSH_MS)
    return undefined
  }

  /** Adds bytes behind all text so far; `bytes` may be reused once the promise resolves. */
  async writeBytes(bytes: Uint8Array): Promise<void> {
    await this.flush()
    await this.#write(bytes)
    this.check()
  }

  /** Resolves when all text so far was taken. */
  async flush(): Promise<void> {
    await this.#send()
    this.check()
  }

  /** Flushes, and closes a file; stdout stays open. */
  async end(): Promise<void> {
    await this.flush()
    if (this.#stream === process.stdout) return
    this.#stream.end()
    await finished(this.#stream).catch(error => this.#fail(error))
    this.check()
  }

  #send(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#text === '') return this.#busy
    const text = this.#text
    this.#text = ''
    return this.#write(text)
  }

  #write(data: string | Uint8Array): Promise<void> {
    this.#busy = this.#busy.then(
      () =>
        new Promise<void>(resolve => {
          if (this.#failure !== undefined) return resolve()
          this.#beforeWrite()
          this.#stream.write(data, error => {
            if (error) this.#fail(error)
            resolve()
          })
        }),
    )
    return this.#busy
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.#stream === process.stdout && error.code === 'EPIPE') this.#failure ??= new OutputClosed()
    else
      this.#failure ??= new VmsiftError(
        'output-failed',
        `cannot write to ${this.#name}: ${reasonOf(error)}`,
        {
          detail: { output: this.#name },
          cause: error,
        },
      )
  }
}

/**
 * Results in a file, or on stdout. The file is emptied when the first result is written: a mistake in a pattern, found
 * after this, must not cost the results of the run before.
 * @throws VmsiftError `output-failed` when the file can't be opened.
 */
export function outputFor(path: string | undefined, beforeWrite?: () => void): Output {
  if (path === undefined) return new Output(process.stdout, 'stdout', beforeWrite)
  const fd = openOutput(path)
  let emptied = !fstatSync(fd).isFile()
  return new Output(createWriteStream(path, { fd }), path, () => {
    if (!emptied) ftruncateSync(fd)
    emptied = true
  })
}

function openOutput(path: string): number {
  try {
    return openSync(path, 'a')
  } catch (cause) {
    const why = reasonOf(cause as NodeJS.ErrnoException)
    throw new VmsiftError('output-failed', `cannot write to ${path}: ${why}; choose another --output`, {
      detail: { path },
      cause,
    })
  }
}
