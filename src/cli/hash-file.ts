/** SHA-256 of a file, computed beside everything else. */
import { Worker } from 'node:worker_threads'
import { VmsiftError } from '../core/errors.js'

export interface FileHash extends AsyncDisposable {
  /** The digest as 64 hexadecimal digits. Rejects with `target-unreadable`; undefined when the signal came first. */
  readonly digest: Promise<string | undefined>
}

/** Starts hashing at once in a thread of its own; `signal` or disposing ends it. */
export function hashFile(path: string, signal: AbortSignal): FileHash {
  // The same suffix as this module's: .ts under tsx, .js in dist.
  const url = new URL(`./hash-thread${import.meta.url.slice(-3)}`, import.meta.url)
  const worker = new Worker(url, { workerData: { path } })
  const stop = async () => {
    signal.removeEventListener('abort', stop)
    await worker.terminate()
  }
  signal.addEventListener('abort', stop)
  const digest = new Promise<string | undefined>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('exit', () => resolve(undefined))
    worker.once('error', cause =>
      reject(
        new VmsiftError('target-unreadable', `cannot hash ${path}: ${cause.message}`, {
          detail: { path },
          cause,
        }),
      ),
    )
  })
  // Awaited late or, after another error, never.
  digest.catch(() => {})
  return { digest, [Symbol.asyncDispose]: stop }
}
