/** Functions of an x86 kernel that start with a jump out of it: what an inline hook looks like. */

import type { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'

/** A jump near the start of a function. */
export interface TextJump {
  readonly symbol: string
  /** Bytes from the function's start to the jump. */
  readonly offset: number
  readonly target: bigint
}

const MAX_TEXT_BYTES = 48 << 20
const MAX_SYMBOLS = 2 ** 21
const MAX_JUMPS = 2 ** 18
const ENDBR = [0xf3, 0x0f, 0x1e, 0xfa] as const
/** The place of the tracer's call: `nop` of five bytes, or the call itself. */
const NOP5 = [0x0f, 0x1f, 0x44, 0x00, 0x00] as const
/** A jump stands in the last of these many bytes at the latest, and is up to 14 long. */
const LOOK_BYTES = 32

/** Jumps at the start of functions, wherever they lead; empty on other processors and where the text can't be read. */
export function textJumps(kernel: LinuxKernel, reader: StructReader): TextJump[] {
  const from = kernel.symbols.addressOf('_stext')
  const to = kernel.symbols.addressOf('_etext')
  if (kernel.architecture === 'aarch64' || from === undefined || to === undefined || to <= from) return []
  const length = Number(to - from)
  if (length > MAX_TEXT_BYTES) return []
  const { bytes } = reader.memory.read(from, length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const jumps: TextJump[] = []
  let seen = 0
  for (const { name, address, type, module } of kernel.symbols.entries()) {
    if (module !== undefined || seen++ > MAX_SYMBOLS || jumps.length >= MAX_JUMPS) break
    if (type !== 't' && type !== 'T') continue
    if (address < from || address >= to) continue
    const at = Number(address - from)
    if (at + LOOK_BYTES > length) continue
    const offset = prologue(bytes, at)
    const target = jumpTarget(view, at + offset, address + BigInt(offset), reader.pointerBytes)
    if (target !== undefined) jumps.push({ symbol: name, offset, target })
  }
  return jumps
}

/** What the compiler puts in front of a function: a mark for indirect branches, room for the tracer. */
function prologue(bytes: Uint8Array, at: number): number {
  let offset = startsWith(bytes, at, ENDBR) ? ENDBR.length : 0
  const call = bytes[at + offset] === 0xe8
  if (call || startsWith(bytes, at + offset, NOP5)) offset += NOP5.length
  return offset
}

function startsWith(bytes: Uint8Array, at: number, wanted: readonly number[]): boolean {
  return wanted.every((byte, i) => bytes[at + i] === byte)
}

/** `jmp rel32`, `push imm32; ret`, `mov rax, imm64; jmp rax` and the like (Intel SDM vol. 2). */
function jumpTarget(view: DataView, at: number, va: bigint, pointerBytes: 4 | 8): bigint | undefined {
  const bits = pointerBytes * 8
  const first = view.getUint8(at)
  if (first === 0xe9) return BigInt.asUintN(bits, va + 5n + BigInt(view.getInt32(at + 1, true)))
  if (first === 0x68 && view.getUint8(at + 5) === 0xc3)
    return BigInt.asUintN(bits, BigInt(view.getInt32(at + 1, true)))
  if (pointerBytes === 4) {
    // mov eax, imm32; jmp eax
    const indirect = first === 0xb8 && view.getUint16(at + 5, true) === 0xe0ff
    return indirect ? BigInt(view.getUint32(at + 1, true)) : undefined
  }
  // mov rax, imm64; jmp rax or push rax; ret
  if (view.getUint16(at, true) === 0xb848) {
    const then = view.getUint16(at + 10, true)
    if (then === 0xe0ff || then === 0xc350) return view.getBigUint64(at + 2, true)
  }
  // jmp [rip]: the address follows
  if (view.getUint16(at, true) === 0x25ff && view.getInt32(at + 2, true) === 0)
    return view.getBigUint64(at + 6, true)
  return undefined
}
