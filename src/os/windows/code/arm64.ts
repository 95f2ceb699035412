/** Accessors in A64 code (Arm ARM C4, C6): ldr and add with immediates, mov, ret. */
import {
  type Access,
  accessOf,
  type CodeFetch,
  loaded,
  MAX_INSTRUCTIONS,
  moved,
  type Value,
} from './accessor.js'

const MAX_JUMPS = 4
/** x18 holds the processor's block (KPCR) in kernel mode. */
const PCR_REGISTER = 18
/** KPCR.Prcb.CurrentThread on arm64 Windows. */
const CURRENT_THREAD = 0x988

/** Decodes from offset 0; undefined where the code is none of an accessor. */
export function decodeArm64(fetch: CodeFetch): Access | undefined {
  const registers: (Value | undefined)[] = new Array(32).fill(undefined)
  registers[0] = { root: 'argument', steps: [], add: 0, bytes: 0 }
  registers[PCR_REGISTER] = { root: 'pcr', steps: [], add: 0, bytes: 0 }
  let jumps = 0
  for (let offset = 0, count = 0; count < MAX_INSTRUCTIONS; count++) {
    const code = fetch(offset, 4)
    if (code === undefined || code.length < 4) return undefined
    const word = new DataView(code.buffer, code.byteOffset, 4).getUint32(0, true)
    if (word === 0xd65f03c0 || word === 0xd65f0bff) return accessOf(registers[0], true)
    // b
    if (word >>> 26 === 5) {
      if (jumps++ >= MAX_JUMPS) return undefined
      offset += (word << 6) >> 4
      continue
    }
    // cbz, cbnz: the value is looked at
    if ((word & 0x7e000000) >>> 0 === 0x34000000) return accessOf(registers[word & 31] ?? registers[0], false)
    if (!take(word, registers)) return undefined
    offset += 4
  }
  return undefined
}

/** One instruction that only moves values; false for any other. */
function take(word: number, registers: (Value | undefined)[]): boolean {
  const target = word & 31
  const base = (word >>> 5) & 31
  // nop, bti, pacibsp and other hints
  if ((word & 0xfffff01f) >>> 0 === 0xd503201f) return true
  // ldr (immediate, unsigned offset), all sizes
  if ((word & 0x3fc00000) >>> 0 === 0x39400000) {
    const size = word >>> 30
    registers[target] = load(registers[base], ((word >>> 10) & 0xfff) << size, 1 << size)
    return true
  }
  // ldur
  if ((word & 0x3fe00c00) >>> 0 === 0x38400000) {
    registers[target] = load(registers[base], (word << 11) >> 23, 1 << (word >>> 30))
    return true
  }
  // add (immediate), 64 bits
  if ((word & 0xff800000) >>> 0 === 0x91000000) {
    const value = (word >>> 10) & 0xfff
    registers[target] = moved(registers[base], (word & 0x400000) === 0 ? value : value << 12)
    return true
  }
  // mov (register): orr with the zero register
  if ((word & 0x7fe0ffe0) >>> 0 === 0x2a0003e0) {
    registers[target] = registers[(word >>> 16) & 31]
    return true
  }
  return false
}

function load(base: Value | undefined, offset: number, bytes: number): Value | undefined {
  if (base?.root === 'pcr')
    return base.steps.length === 0 && base.add + offset === CURRENT_THREAD
      ? { root: 'thread', steps: [], add: 0, bytes: 0 }
      : undefined
  return loaded(moved(base, offset), bytes)
}
