/**
 * Another process's memory: process_vm_readv(2) and process_vm_writev(2). Linux only. Vectors are packed by hand into one buffer each:
 * twice as fast as an array of structures, and free of the FFI's bound on what a call may carry.
 */
import { tryKoffi, tryLibrary } from './koffi.js'

/** UIO_MAXIOV. */
const MAX_VECTORS = 1024
const VECTOR_BYTES = 16
const HUGE_BYTES = 2 ** 21
const MADV_HUGEPAGE = 14

/** Why nothing more was copied. `gone`: there is no such process. `denied`: the kernel forbids it. `absent`: no memory there. */
export type CopyFailure = 'gone' | 'denied' | 'absent'

export interface ProcessVm {
  /** Sets aside `length` bytes to copy into and out of. */
  allocate(length: number): CopyRoom
  /** Bytes copied from `pointer` of the process into `room` at `at`: fewer than `length` only with a failure, which `failure` then tells. */
  read(pid: number, pointer: number, room: CopyRoom, at: number, length: number): number
  /** The same the other way. */
  write(pid: number, pointer: number, room: CopyRoom, at: number, length: number): number
  /**
   * Copies `pointers.length` pieces of `bytesEach` one behind the other into `room`, as many as the kernel takes in a call. Returns the
   * bytes copied before the first piece that failed.
   */
  readPieces(pid: number, pointers: Float64Array, bytesEach: number, room: CopyRoom): number
  /** Of the last call that copied less than it was asked to. */
  readonly failure: CopyFailure
}

/** Memory of this process at a known address. */
export interface CopyRoom {
  readonly pointer: number
  readonly bytes: Uint8Array
}

let cached: { readonly vm: ProcessVm | undefined } | undefined

/** The calls, or undefined where FFI or Linux is missing. */
export function tryProcessVm(): ProcessVm | undefined {
  cached ??= { vm: process.platform === 'linux' ? bind() : undefined }
  return cached.vm
}

function bind(): ProcessVm | undefined {
  const koffi = tryKoffi()
  const lib = tryLibrary(['libc.so.6', 'libc.so', null])
  if (koffi === undefined || lib === undefined) return undefined
  const vectors = 'int pid, void *local, ulong locals, void *remote, ulong remotes, ulong flags'
  const readv = lib.func(`long process_vm_readv(${vectors})`)
  const writev = lib.func(`long process_vm_writev(${vectors})`)
  const madvise = lib.func('int madvise(uint64 at, uint64 length, int advice)')
  const { ESRCH = 3, EPERM = 1 } = koffi.os.errno
  const local = Buffer.alloc(VECTOR_BYTES)
  const remote = Buffer.alloc(VECTOR_BYTES * MAX_VECTORS)
  let failure: CopyFailure = 'absent'

  const transfer = (
    call: typeof readv,
    pid: number,
    pointer: number,
    room: CopyRoom,
    at: number,
    length: number,
  ): number => {
    for (let done = 0; ; ) {
      pack(local, 0, room.pointer + at + done, length - done)
      pack(remote, 0, pointer + done, length - done)
      const got = Number(call(pid, local, 1, remote, 1, 0))
      if (got < 0) {
        failure = reason(koffi.errno())
        return done
      }
      done += got
      if (done >= length) return done
      // it stopped at a page: asked again from there, the kernel says why
      if (got === 0) {
        failure = 'absent'
        return done
      }
    }
  }
  const reason = (errno: number): CopyFailure =>
    errno === ESRCH ? 'gone' : errno === EPERM ? 'denied' : 'absent'

  return {
    get failure() {
      return failure
    },
    allocate(length) {
      // off V8's heap, so it stays where it is for as long as it is held
      if (length < HUGE_BYTES) {
        const bytes = new Uint8Array(new ArrayBuffer(length))
        return { bytes, pointer: Number(koffi.address(bytes)) }
      }
      // of huge pages, where the kernel gives them: the copy is a tenth faster
      const whole = Math.ceil(length / HUGE_BYTES) * HUGE_BYTES
      const buffer = new ArrayBuffer(whole + HUGE_BYTES)
      const start = Number(koffi.address(new Uint8Array(buffer)))
      const skipped = (HUGE_BYTES - (start % HUGE_BYTES)) % HUGE_BYTES
      madvise(start + skipped, whole, MADV_HUGEPAGE)
      return { bytes: new Uint8Array(buffer, skipped, length), pointer: start + skipped }
    },
    read: (pid, pointer, room, at, length) => transfer(readv, pid, pointer, room, at, length),
    write: (pid, pointer, room, at, length) => transfer(writev, pid, pointer, room, at, length),
    readPieces(pid, pointers, bytesEach, room) {
      let done = 0
      for (let first = 0; first < pointers.length; first += MAX_VECTORS) {
        const count = Math.min(MAX_VECTORS, pointers.length - first)
        for (let i = 0; i < count; i++)
          pack(remote, i * VECTOR_BYTES, pointers[first + i] as number, bytesEach)
        pack(local, 0, room.pointer + done, count * bytesEach)
        const got = Number(readv(pid, local, 1, remote, count, 0))
        if (got < 0) {
          failure = reason(koffi.errno())
          return done
        }
        done += got
        if (got < count * bytesEach) {
          failure = 'absent'
          return done
        }
      }
      return done
    },
  }
}

/** A `struct iovec`, little-endian: base and length, 64 bits each. */
function pack(vectors: Buffer, at: number, pointer: number, length: number): void {
  vectors.writeUInt32LE(pointer % 2 ** 32, at)
  vectors.writeUInt32LE(Math.floor(pointer / 2 ** 32), at + 4)
  vectors.writeUInt32LE(length, at + 8)
  vectors.writeUInt32LE(0, at + 12)
}
