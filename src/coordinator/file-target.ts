/** Snapshot files as targets. */
import { closeSync, fstatSync, openSync, type Stats, statSync } from 'node:fs'
import { VmsiftError } from '../core/errors.js'
import { fileSource } from '../drivers/file-source.js'
import { parseImage } from '../formats/detect.js'
import type { Image } from '../formats/image.js'
import { BaseTarget } from './base-target.js'
import { imageIdentity } from './image-identity.js'
import type { Target, TargetOptions } from './target.js'

/**
 * Opens a snapshot file. Images are evidence: they are opened for reading only.
 * @throws VmsiftError as `openTarget`; `not-supported` with `allowWrite`.
 */
export function openFileTarget(path: string, { allowWrite, ...options }: TargetOptions): Target {
  if (allowWrite === true)
    throw new VmsiftError(
      'not-supported',
      `${path} is a snapshot, which is evidence and is never written to; only running guests are`,
      { detail: { path } },
    )
  const fd = openFile(path)
  try {
    return new FileTarget(path, fd, parseImage(fileSource(fd), { name: path, ...options }))
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

class FileTarget extends BaseTarget {
  readonly #fd: number

  constructor(path: string, fd: number, image: Image) {
    super({
      path,
      format: image.format,
      live: false,
      writable: false,
      architecture: image.architecture,
      space: image.space ?? 'physical',
      notes: image.notes,
      warnings: image.warnings,
      driver: { kind: 'file', path, fd, runs: image.runs, storage: image.storage, map: true },
      close: () => closeSync(fd),
    })
    this.#fd = fd
  }

  identity(salt: readonly string[]): string {
    return imageIdentity(this.#fd, this.path, [this.format, ...salt])
  }
}

function openFile(path: string): number {
  const stat = attempt(path, () => statSync(path))
  if (stat.isDirectory())
    throw new VmsiftError(
      'target-unreadable',
      `target is a directory: ${path}; give a memory image inside it`,
    )
  if (!stat.isFile())
    throw new VmsiftError('target-unreadable', `target is not a file: ${path} (${kindOf(stat)})`)
  const fd = attempt(path, () => openSync(path, 'r'))
  if (fstatSync(fd).size > 0) return fd
  closeSync(fd)
  throw new VmsiftError('target-empty', `target is empty: ${path} has 0 bytes; was the dump finished?`)
}

function attempt<T>(path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new VmsiftError('target-not-found', `no such file: ${path}`, { cause: error })
    if (code === 'EACCES' || code === 'EPERM')
      throw new VmsiftError('target-unreadable', `not allowed to read ${path}; check its owner and mode`, {
        cause: error,
      })
    throw new VmsiftError('target-unreadable', `can't open ${path}: ${code ?? String(error)}`, {
      cause: error,
    })
  }
}

function kindOf(stat: Stats): string {
  if (stat.isFIFO()) return 'a pipe: save it to a file first'
  if (stat.isSocket()) return 'a socket'
  return 'a device: copy it to a file first, dd if=DEVICE of=FILE bs=4M'
}
