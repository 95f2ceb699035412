/** SHA-256 of a file, computed beside everything else. */
import { Worker } from 'node:worker_threads'
import { VmsiftError } from '../core/errors.js'

export interface FileHash extends AsyncDisposable {
  /** The digest as 64 hexadecimal digits. Rejects with `target-unreadable`; undefined when the signal came first. */
  readonly digest: Promise<string | undefined>
}

// JavaScript in a string: a thread's entry in TypeScript would need a loader of its own when run from source.
const THREAD = `
const { createHash } = require('node:crypto')
const { openSync, readSync } = require('node:fs')
const { parentPort, workerData } = require('node:worker_threads')
const hash = createHash('sha256')
const piece = Buffer.allocUnsafeSlow(1 << 20)
const file = openSync(workerData.path, 'r')
for (let length; (length = readSync(file, piece)) > 0; ) hash.update(piece.subarray(0, length))
parentPort.postMessage(hash.digest('hex'))
`

/** Starts hashing at once in a thread of its own; `signal` or disposing ends it. */
export function hashFile(path: string, signal: AbortSignal): FileHash {
  const worker = new Worker(THREAD, { eval: true, execArgv: [], workerData: { path } })
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
