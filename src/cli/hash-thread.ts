/** Thread that hashes a file: SHA-256 of gigabytes would hold up the main thread's events. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

const { path } = workerData as { readonly path: string }
const hash = createHash('sha256')
const piece = Buffer.allocUnsafeSlow(1 << 20)
const file = openSync(path, 'r')
try {
  for (;;) {
    const length = readSync(file, piece)
    if (length === 0) break
    hash.update(piece.subarray(0, length))
  }
} finally {
  closeSync(file)
}
parentPort?.postMessage(hash.digest('hex'))
