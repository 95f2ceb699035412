/**
 * The system calls that Node does not have: mmap, leases, holes and page cache state. Linux only.
 * Pointers are numbers here: user addresses have 47 bits (56 with LA57 only on request), which a double holds.
 */
import { tryKoffi, tryLibrary } from './koffi.js'

/** fcntl(2) leases. */
const F_SETSIG = 10
const F_SETLEASE = 1024
const F_GETLEASE = 1025
const F_RDLCK = 0
const F_UNLCK = 2
/** Ignored by default, unlike SIGIO, which ends the process. */
const SIGURG = 23
const PROT_NONE = 0
const PROT_READ = 1
const MAP_FIXED = 0x10
/** MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE: addresses without memory. */
const NOTHING = 0x2 | 0x20 | 0x4000
/** MAP_SHARED, MAP_FIXED, MAP_NORESERVE: of a file of huge pages, nothing is set aside for what it lacks. */
const SHOWN = 0x1 | 0x10 | 0x4000
const MAP_FAILED = 2 ** 64
const MADV_POPULATE_READ = 22
/** fcntl(2) seals of a memfd. */
const F_GET_SEALS = 1034
const F_SEAL_SHRINK = 2
const SEEK_END = 2
const SEEK_DATA = 3
const SEEK_HOLE = 4
const POSIX_FADV_WILLNEED = 3
const POSIX_FADV_DONTNEED = 4
/** cachestat(2), Linux 6.5; one number on every architecture. */
const SYS_CACHESTAT = 451
const ENXIO = 6

/** Bytes in a page of this machine; every mapping offset must be a multiple. 64 KiB serves all of Linux. */
export const MAP_ALIGN_BYTES = 65536

export interface Libc {
  /** Sets aside `length` bytes of addresses, the first a multiple of `align`, for files to be shown in; undefined when refused. */
  reserve(length: number, align: number): Mapping | undefined
  /** A read lease on an open file: while it holds, nobody can truncate it or open it for writing. False when refused. */
  takeLease(fd: number): boolean
  /** False once somebody waits for the lease to go (fcntl(2), "lease breaking"). */
  holdsLease(fd: number): boolean
  releaseLease(fd: number): void
  /** Whether the file can never become shorter: a memfd sealed so (fcntl(2), F_SEAL_SHRINK). */
  cannotShrink(fd: number): boolean
  /** First offset ≥ `offset` that holds data, or undefined when only a hole follows. */
  seekData(fd: number, offset: number): number | undefined
  /** First offset ≥ `offset` that is a hole; the end of the file counts as one. Undefined past the end. */
  seekHole(fd: number, offset: number): number | undefined
  /** Bytes of the file now (lseek to its end). */
  fileSize(fd: number): number
  /** Pages of the range that are in the page cache; undefined where the kernel does not tell. */
  cachedPages(fd: number, offset: number, length: number): number | undefined
  /** Starts reading the range into the page cache. */
  willNeed(fd: number, offset: number, length: number): void
  /** Drops the range from the page cache. */
  dontNeed(fd: number, offset: number, length: number): void
}

/**
 * A range of addresses that shows one piece of a file after the other, always through the same view: V8 takes each new
 * external ArrayBuffer for that much more memory and collects garbage because of it, which costs more than a scan of the window.
 */
export interface Mapping {
  /** Must be touched only where something is shown: elsewhere, and after `unmap`, that is a segmentation fault. */
  readonly bytes: Uint8Array
  /** Shows `length` bytes of the file at `offset` (a multiple of `MAP_ALIGN_BYTES`) from `bytes[0]` on; false when refused. */
  show(fd: number, offset: number, length: number): boolean
  /** Shows nothing any more: the file is not mapped here. */
  hide(): void
  /** Faults the pages in; false when one can't be read (cut off, input/output error). Offsets within the mapping. */
  populate(from: number, length: number): boolean
  unmap(): void
}

let cached: { readonly libc: Libc | undefined } | undefined

/** The calls, or undefined where FFI or Linux is missing. */
export function tryLibc(): Libc | undefined {
  cached ??= { libc: process.platform === 'linux' ? bind() : undefined }
  return cached.libc
}

function bind(): Libc | undefined {
  const koffi = tryKoffi()
  const lib = tryLibrary(['libc.so.6', 'libc.so', null])
  if (koffi === undefined || lib === undefined) return undefined
  const mmap = lib.func('uint64 mmap(uint64 at, uint64 length, int prot, int flags, int fd, int64 offset)')
  const munmap = lib.func('int munmap(uint64 at, uint64 length)')
  const madvise = lib.func('int madvise(uint64 at, uint64 length, int advice)')
  const fcntl = lib.func('int fcntl(int fd, int command, int argument)')
  const lseek = lib.func('int64 lseek(int fd, int64 offset, int whence)')
  const fadvise = lib.func('int posix_fadvise(int fd, int64 offset, int64 length, int advice)')
  const syscall = lib.func('long syscall(long number, int fd, void *range, void *stat, uint32 flags)')
  const range = new BigUint64Array(2)
  const stat = new BigUint64Array(5)
  let knowsCache = true
  // MADV_POPULATE_READ is Linux 5.14; where it is unknown the lease alone guards the mapping
  let knowsPopulate = true

  const seek = (fd: number, offset: number, whence: number): number | undefined => {
    const found = Number(lseek(fd, offset, whence))
    if (found >= 0) return found
    if (koffi.errno() === ENXIO) return undefined
    return whence === SEEK_DATA ? offset : Number.MAX_SAFE_INTEGER // a file system without holes: all is data
  }

  return {
    reserve(length, align) {
      const whole = length + align
      const from = Number(mmap(0, whole, PROT_NONE, NOTHING, -1, 0))
      if (from >= MAP_FAILED - 4096) return undefined
      const at = from + align - (from % align)
      const bytes = new Uint8Array(koffi.view(at, length))
      let mapped = true
      return {
        bytes,
        show: (fd, offset, count) =>
          Number(mmap(at, count, PROT_READ, SHOWN, fd, offset)) < MAP_FAILED - 4096,
        hide() {
          mmap(at, length, PROT_NONE, NOTHING | MAP_FIXED, -1, 0)
        },
        populate(from, count) {
          if (!knowsPopulate) return true
          const start = from - (from % MAP_ALIGN_BYTES)
          if (madvise(at + start, from + count - start, MADV_POPULATE_READ) === 0) return true
          if (koffi.errno() !== koffi.os.errno['EINVAL']) return false
          knowsPopulate = false
          return true
        },
        unmap() {
          if (mapped) munmap(from, whole)
          mapped = false
        },
      }
    },
    takeLease: fd => fcntl(fd, F_SETSIG, SIGURG) === 0 && fcntl(fd, F_SETLEASE, F_RDLCK) === 0,
    holdsLease: fd => fcntl(fd, F_GETLEASE, 0) === F_RDLCK,
    releaseLease(fd) {
      fcntl(fd, F_SETLEASE, F_UNLCK)
    },
    cannotShrink(fd) {
      const seals = fcntl(fd, F_GET_SEALS, 0)
      return seals >= 0 && (seals & F_SEAL_SHRINK) !== 0
    },
    seekData: (fd, offset) => seek(fd, offset, SEEK_DATA),
    seekHole: (fd, offset) => seek(fd, offset, SEEK_HOLE),
    fileSize: fd => Number(lseek(fd, 0, SEEK_END)),
    cachedPages(fd, offset, length) {
      if (!knowsCache) return undefined
      range[0] = BigInt(offset)
      range[1] = BigInt(length)
      if (Number(syscall(SYS_CACHESTAT, fd, range, stat, 0)) !== 0) {
        knowsCache = false
        return undefined
      }
      return Number(stat[0])
    },
    willNeed(fd, offset, length) {
      fadvise(fd, offset, length, POSIX_FADV_WILLNEED)
    },
    dontNeed(fd, offset, length) {
      fadvise(fd, offset, length, POSIX_FADV_DONTNEED)
    },
  }
}
