/** A Unix socket whose calls block: for threads that can't wait for an event loop. Linux only. */
import { tryKoffi, tryLibrary } from './koffi.js'

const AF_UNIX = 1
const SOCK_STREAM_CLOEXEC = 1 | 0x80000
const SOL_SOCKET = 1
const SO_RCVTIMEO = 20
const SO_SNDTIMEO = 21
const SO_PEERCRED = 17
const MSG_NOSIGNAL = 0x4000
const PATH_BYTES = 108
const CHUNK_BYTES = 65_536

export interface BlockingSocket extends Disposable {
  /** Sends all of it; false when the other side is gone or slow. */
  send(text: string): boolean
  /** As the function of this name. */
  peerPid(): number | undefined
  /** The next bytes; undefined when the other side is gone, or silent for longer than was agreed. */
  receive(): Buffer | undefined
}

/**
 * The process at the other end of a connected Unix socket (unix(7), SO_PEERCRED): that which listens there. Undefined where it is not told, or
 * can't be seen from here.
 */
export function peerPid(fd: number): number | undefined {
  const lib = process.platform === 'linux' ? tryLibrary(['libc.so.6', 'libc.so', null]) : undefined
  if (lib === undefined) return undefined
  const getOption = lib.func('int getsockopt(int fd, int level, int name, void *value, void *length)')
  const credentials = Buffer.alloc(12)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(credentials.length)
  if (Number(getOption(fd, SOL_SOCKET, SO_PEERCRED, credentials, length)) !== 0) return undefined
  const pid = credentials.readInt32LE(0)
  return pid > 0 ? pid : undefined
}

/**
 * Connects; every call then waits `timeoutMs` at most, and nothing more comes after three times that: the other side may send
 * a little now and then for ever. Undefined when it can't be had.
 */
export function connectBlocking(path: string, timeoutMs: number): BlockingSocket | undefined {
  const koffi = tryKoffi()
  const lib = process.platform === 'linux' ? tryLibrary(['libc.so.6', 'libc.so', null]) : undefined
  const name = Buffer.from(path)
  if (koffi === undefined || lib === undefined || name.length >= PATH_BYTES) return undefined
  const socket = lib.func('int socket(int family, int type, int protocol)')
  const connect = lib.func('int connect(int fd, void *address, uint32 length)')
  const option = lib.func('int setsockopt(int fd, int level, int name, void *value, uint32 length)')
  const send = lib.func('long send(int fd, void *bytes, ulong length, int flags)')
  const recv = lib.func('long recv(int fd, void *bytes, ulong length, int flags)')
  const close = lib.func('int close(int fd)')
  const fd = Number(socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0))
  if (fd < 0) return undefined
  const time = Buffer.alloc(16)
  time.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)))
  time.writeBigInt64LE(BigInt(timeoutMs % 1000) * 1000n, 8)
  option(fd, SOL_SOCKET, SO_RCVTIMEO, time, time.length)
  option(fd, SOL_SOCKET, SO_SNDTIMEO, time, time.length)
  const address = Buffer.alloc(2 + PATH_BYTES)
  address.writeUInt16LE(AF_UNIX)
  name.copy(address, 2)
  if (Number(connect(fd, address, 2 + name.length + 1)) !== 0) {
    close(fd)
    return undefined
  }
  let open = true
  const until = performance.now() + 3 * timeoutMs
  /** A signal interrupts these calls whatever its handler asks for (signal(7)): a window that changes its size. */
  const again = (result: number): boolean =>
    result < 0 && koffi.errno() === koffi.os.errno['EINTR'] && performance.now() < until
  const chunk = Buffer.alloc(CHUNK_BYTES)
  return {
    send(text) {
      const bytes = Buffer.from(text)
      for (let done = 0; done < bytes.length; ) {
        const rest = bytes.subarray(done)
        const sent = open ? Number(send(fd, rest, rest.length, MSG_NOSIGNAL)) : 0
        if (again(sent)) continue
        if (sent <= 0) return false
        done += sent
      }
      return true
    },
    peerPid: () => (open ? peerPid(fd) : undefined),
    receive() {
      let got = 0
      do got = open && performance.now() < until ? Number(recv(fd, chunk, chunk.length, 0)) : 0
      while (again(got))
      return got > 0 ? Buffer.from(chunk.subarray(0, got)) : undefined
    },
    [Symbol.dispose]() {
      if (open) close(fd)
      open = false
    },
  }
}
