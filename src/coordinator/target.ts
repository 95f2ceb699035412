/** A target: guest memory that was found, opened and understood. */
import { closeSync, fstatSync, openSync, type Stats, statSync } from 'node:fs'
import { VmsiftError } from '../core/errors.js'
import type { MemoryRun, PhysicalMemory } from '../core/memory.js'
import { totalBytes } from '../core/runs.js'
import { fileSource } from '../drivers/file-source.js'
import { openMemory } from '../drivers/open.js'
import type { DriverSpec } from '../drivers/spec.js'
import { parseImage } from '../formats/detect.js'
import type { Architecture, Image, ImageFormat, ImageNotes, ParseOptions } from '../formats/image.js'

/** Guest memory. Dispose it when done; it stays open underneath until the scans that run on it have ended. */
export interface Target extends Disposable {
  /** As it was given. */
  readonly path: string
  readonly format: ImageFormat
  readonly architecture: Architecture | undefined
  /**
   * What the target holds: physical memory, or (a triage dump of Windows) blocks of the kernel's virtual memory and nothing else. Such a
   * target has no runs; its `memory` lies at virtual addresses, folded to 52 bits.
   */
  readonly space: 'physical' | 'virtual'
  /** Guest physical ranges that are memory: sorted, disjoint, touching ones merged. */
  readonly runs: readonly MemoryRun[]
  /** Bytes of memory in all. */
  readonly bytes: number
  /** Highest guest physical address of memory, inclusive; 0 where there is none. */
  readonly maxAddress: number
  readonly notes: ImageNotes
  /** Oddities of the image worth telling a person. */
  readonly warnings: readonly string[]
  /** A reader for this thread, opened at its first use. */
  readonly memory: PhysicalMemory
  /**
   * What workers open.
   * @internal
   */
  readonly driver: DriverSpec
  /**
   * Keeps the file open until the result is disposed, whatever becomes of the target; scans do this.
   * @throws VmsiftError `bad-argument` when the target is closed already.
   */
  hold(): Disposable
}

/**
 * Opens a snapshot file; the format is found from its bytes.
 * @throws VmsiftError `target-not-found`, `target-unreadable`, `target-empty`, `target-compressed`, `target-unsupported`
 * or `image-corrupt`, each saying what to do.
 */
export async function openTarget(path: string, options: ParseOptions = {}): Promise<Target> {
  const fd = openFile(path)
  try {
    return new FileTarget(path, fd, parseImage(fileSource(fd), { name: path, ...options }))
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

class FileTarget implements Target {
  readonly path: string
  readonly format: ImageFormat
  readonly architecture: Architecture | undefined
  readonly space: 'physical' | 'virtual'
  readonly runs: readonly MemoryRun[]
  readonly bytes: number
  readonly maxAddress: number
  readonly notes: ImageNotes
  readonly warnings: readonly string[]
  readonly driver: DriverSpec
  #memory: PhysicalMemory | undefined
  #open = true
  /** The target itself, while it is open, and every scan that runs. */
  #holders = 1

  constructor(path: string, fd: number, image: Image) {
    this.path = path
    this.format = image.format
    this.architecture = image.architecture
    this.space = image.space ?? 'physical'
    this.runs = image.space === 'virtual' ? [] : image.runs
    this.bytes = totalBytes(image.runs)
    const last = this.runs.at(-1)
    this.maxAddress = last === undefined ? 0 : last.gpa + last.length - 1
    this.notes = image.notes
    this.warnings = image.warnings
    this.driver = { kind: 'file', path, fd, runs: image.runs, storage: image.storage, map: true }
  }

  get memory(): PhysicalMemory {
    this.#checkOpen()
    // this thread copies: a view could die under its reader while the event loop is elsewhere
    this.#memory ??= openMemory({ ...this.driver, map: false })
    return this.#memory
  }

  hold(): Disposable {
    this.#checkOpen()
    this.#holders++
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (held) this.#letGo()
        held = false
      },
    }
  }

  #checkOpen(): void {
    if (!this.#open) throw new VmsiftError('bad-argument', `target is closed: ${this.path}`)
  }

  #letGo(): void {
    this.#holders--
    if (this.#holders === 0) closeSync(this.driver.fd)
  }

  [Symbol.dispose](): void {
    if (!this.#open) return
    this.#open = false
    this.#memory?.[Symbol.dispose]()
    this.#letGo()
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
