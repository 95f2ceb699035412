/**
 * A match callback for Vectorscan that is machine code: it appends a hit to two columns. A callback into JavaScript costs ten times as much
 * as finding the hit. Where no such code can be had (another processor, or a system that allows no new code), callers use JavaScript.
 */
import { tryKoffi, tryLibrary } from './koffi.js'

const PAGE_BYTES = 4096
const PROT_READ_WRITE = 3
const PROT_READ_EXECUTE = 5
/** MAP_PRIVATE, MAP_ANONYMOUS. */
const PRIVATE_MEMORY = 0x22
const MAP_FAILED = 2 ** 64

/**
 * `int handler(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)` of hs_runtime.h, in the System V
 * calling convention (AMD64 ABI 3.2.3). `context` is a `HitContext`.
 */
// biome-ignore format: an instruction a line
const X64 = Uint8Array.of(
  0xf3, 0x0f, 0x1e, 0xfa, // endbr64
  0x49, 0x8b, 0x00, // mov rax, [r8]            count
  0x49, 0x3b, 0x40, 0x08, // cmp rax, [r8 + 8]  capacity
  0x73, 0x16, // jae full
  0x4d, 0x8b, 0x48, 0x10, // mov r9, [r8 + 16]  ids
  0x41, 0x89, 0x3c, 0x81, // mov [r9 + rax * 4], edi
  0x4d, 0x8b, 0x48, 0x18, // mov r9, [r8 + 24]  ends
  0x41, 0x89, 0x14, 0x81, // mov [r9 + rax * 4], edx
  0x49, 0xff, 0x00, // inc qword [r8]
  0x31, 0xc0, // xor eax, eax
  0xc3, // ret
  0xb8, 0x01, 0x00, 0x00, 0x00, // full: mov eax, 1
  0xc3, // ret
)

/** What the code works on, as four 64-bit words: hits so far, room, and the addresses of both columns. */
export const HIT_COUNT = 0
export const HIT_CAPACITY = 1
export const HIT_IDS = 2
export const HIT_ENDS = 3
export const HIT_WORDS = 4

let code: { readonly address: bigint | undefined } | undefined

/**
 * Address of the code in this process, undefined where there is none. It returns 1, which ends the search, when there is no room; 0 else.
 * `VMSIFT_NO_CODE=1` switches it off.
 */
export function hitCode(): bigint | undefined {
  code ??= { address: make() }
  return code.address
}

function make(): bigint | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  if (process.env['VMSIFT_NO_CODE'] === '1') return undefined
  const koffi = tryKoffi()
  const library = tryLibrary(['libc.so.6', 'libc.so', null])
  if (koffi === undefined || library === undefined) return undefined
  const mmap = library.func(
    'uint64 mmap(uint64 at, uint64 length, int prot, int flags, int fd, int64 offset)',
  )
  const mprotect = library.func('int mprotect(uint64 at, uint64 length, int prot)')
  const at = Number(mmap(0, PAGE_BYTES, PROT_READ_WRITE, PRIVATE_MEMORY, -1, 0))
  if (at >= MAP_FAILED - PAGE_BYTES) return undefined
  new Uint8Array(koffi.view(at, PAGE_BYTES)).set(X64)
  // never writable and executable at once; one page a thread, kept until it ends
  return mprotect(at, PAGE_BYTES, PROT_READ_EXECUTE) === 0 ? BigInt(at) : undefined
}
