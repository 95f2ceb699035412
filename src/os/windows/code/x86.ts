/** Accessors in x86 and x86-64 code (Intel SDM vol. 2: encodings of mov, lea, add, push, ret and their kin). */
import {
  type Access,
  accessOf,
  type CodeFetch,
  loaded,
  MAX_INSTRUCTIONS,
  moved,
  type Value,
} from './accessor.js'

const RAX = 0
const RCX = 1
const RSP = 4
const RBP = 5
const MAX_BYTES = 15
const MAX_JUMPS = 4
/** KPCR.PrcbData.CurrentThread: fs:[124h], and gs:[188h]. */
const CURRENT_THREAD_32 = 0x124
const CURRENT_THREAD_64 = 0x188
const MAX_SPILLS = 16

/** Decodes from offset 0; undefined where the code is none of an accessor. */
export function decodeX86(fetch: CodeFetch, bits: 32 | 64): Access | undefined {
  return new Decoder(fetch, bits).run()
}

/** Where an operand lies: a register, or memory. */
type Operand =
  | { readonly kind: 'register'; readonly index: number }
  | { readonly kind: 'memory'; readonly address: Value | undefined; readonly absolute?: number }

type Step = 'next' | { readonly done: Access | undefined }

const UNKNOWN: Step = { done: undefined }

class Decoder {
  readonly #fetch: CodeFetch
  readonly #wide: boolean
  readonly #pointer: 4 | 8
  readonly #registers: (Value | undefined)[] = new Array(16).fill(undefined)
  /** What was stored on the stack, by offset from the return address. */
  readonly #stack = new Map<number, Value | undefined>()
  #code: Buffer = Buffer.alloc(0)
  #at = 0
  #offset = 0
  #jumps = 0
  #rex = 0
  #half = false
  #segment: 'fs' | 'gs' | undefined

  constructor(fetch: CodeFetch, bits: 32 | 64) {
    this.#fetch = fetch
    this.#wide = bits === 64
    this.#pointer = bits === 64 ? 8 : 4
    const argument: Value = { root: 'argument', steps: [], add: 0, bytes: 0 }
    this.#registers[RSP] = { root: 'stack', steps: [], add: 0, bytes: 0 }
    if (this.#wide) this.#registers[RCX] = argument
    else this.#stack.set(4, argument)
  }

  run(): Access | undefined {
    for (let count = 0; count < MAX_INSTRUCTIONS; count++) {
      const code = this.#fetch(this.#offset, MAX_BYTES) ?? this.#shorter()
      if (code === undefined) return undefined
      this.#code = Buffer.from(code.buffer, code.byteOffset, code.length)
      this.#at = 0
      try {
        const step = this.#instruction()
        if (step !== 'next') return step.done
      } catch (error) {
        // an instruction that is cut off at the end of what is in memory
        if (error instanceof RangeError) return undefined
        throw error
      }
      this.#offset += this.#at
    }
    return undefined
  }

  /** At the end of a page whose successor is not in memory. */
  #shorter(): Uint8Array | undefined {
    for (let length = MAX_BYTES - 1; length > 0; length--) {
      const code = this.#fetch(this.#offset, length)
      if (code !== undefined) return code
    }
    return undefined
  }

  #byte(): number {
    return this.#code.readUInt8(this.#at++)
  }

  #signed8(): number {
    return this.#code.readInt8(this.#at++)
  }

  #signed32(): number {
    this.#at += 4
    return this.#code.readInt32LE(this.#at - 4)
  }

  /** Bytes of an operand of the usual size. */
  get #operandBytes(): number {
    if ((this.#rex & 8) !== 0) return 8
    return this.#half ? 2 : 4
  }

  #instruction(): Step {
    this.#rex = 0
    this.#half = false
    this.#segment = undefined
    let opcode = this.#byte()
    for (; ; opcode = this.#byte()) {
      if (opcode === 0x66) this.#half = true
      else if (opcode === 0x64) this.#segment = 'fs'
      else if (opcode === 0x65) this.#segment = 'gs'
      else if (opcode !== 0x2e && opcode !== 0xf3) break
    }
    if (this.#wide && (opcode & 0xf0) === 0x40) {
      this.#rex = opcode & 0xf
      opcode = this.#byte()
    }
    if (opcode >= 0x50 && opcode <= 0x57) return this.#push((opcode & 7) | ((this.#rex & 1) << 3))
    if (opcode >= 0x58 && opcode <= 0x5f) return this.#pop((opcode & 7) | ((this.#rex & 1) << 3))
    switch (opcode) {
      case 0x0f:
        return this.#twoBytes()
      case 0x8b:
        return this.#load(this.#operandBytes)
      case 0x63:
        return this.#wide ? this.#load(4) : UNKNOWN
      case 0x89:
        return this.#store()
      case 0x8d:
        return this.#lea()
      case 0xa1:
        return this.#loadAbsolute()
      case 0x05:
        this.#set(RAX, moved(this.#registers[RAX], this.#signed32()))
        return 'next'
      case 0x83:
      case 0x81:
        return this.#arithmetic(opcode === 0x83)
      case 0x31:
      case 0x33:
        return this.#clear()
      case 0x90:
        return 'next'
      case 0xc9:
        // leave: the stack is where the frame began, whose first word is the caller's frame
        this.#set(RSP, this.#registers[RBP])
        return this.#pop(RBP)
      case 0xc2:
      case 0xc3:
        return { done: accessOf(this.#registers[RAX], true) }
      case 0xeb:
        return this.#jump(this.#signed8())
      case 0xe9:
        return this.#jump(this.#signed32())
      case 0x85:
        return this.#look()
      case 0x84:
      case 0x39:
      case 0x3b:
      case 0x3d:
        // the value is looked at: what was loaded so far is what the function is about
        return { done: accessOf(this.#registers[RAX], false) }
      default:
        return UNKNOWN
    }
  }

  #twoBytes(): Step {
    const opcode = this.#byte()
    switch (opcode) {
      case 0xb6:
      case 0xbe:
        return this.#load(1)
      case 0xb7:
      case 0xbf:
        return this.#load(2)
      case 0x1e:
      case 0x1f:
        // endbr and long nops: they have an operand, and do nothing with it
        this.#operand()
        return 'next'
      default:
        return UNKNOWN
    }
  }

  #set(register: number, value: Value | undefined): void {
    this.#registers[register] = value
  }

  #push(register: number): Step {
    const below = moved(this.#registers[RSP], -this.#pointer)
    this.#set(RSP, below)
    if (below === undefined || this.#stack.size > MAX_SPILLS) return UNKNOWN
    this.#stack.set(below.add, this.#registers[register])
    return 'next'
  }

  #pop(register: number): Step {
    const top = this.#registers[RSP]
    if (top === undefined) return UNKNOWN
    this.#set(register, this.#stack.get(top.add))
    if (register !== RSP) this.#set(RSP, moved(top, this.#pointer))
    return 'next'
  }

  #load(bytes: number): Step {
    const { register, operand } = this.#operand()
    if (operand.kind === 'register') {
      const value = this.#registers[operand.index]
      // half of a pointer is none
      this.#set(register, this.#wide && bytes < 8 && value?.bytes === 8 ? undefined : value)
    } else this.#set(register, this.#from(operand.address, operand.absolute, bytes))
    return 'next'
  }

  #loadAbsolute(): Step {
    if (this.#wide) return UNKNOWN
    this.#set(RAX, this.#from(undefined, this.#signed32(), 4))
    return 'next'
  }

  #from(address: Value | undefined, absolute: number | undefined, bytes: number): Value | undefined {
    const current = this.#wide ? CURRENT_THREAD_64 : CURRENT_THREAD_32
    const own = this.#wide ? 'gs' : 'fs'
    if (absolute !== undefined)
      return absolute === current && this.#segment === own
        ? { root: 'thread', steps: [], add: 0, bytes: 0 }
        : undefined
    if (this.#segment !== undefined || address === undefined) return undefined
    if (address.root !== 'stack') return loaded(address, bytes)
    return address.steps.length === 0 ? this.#stack.get(address.add) : undefined
  }

  #store(): Step {
    const { register, operand } = this.#operand()
    const value = this.#registers[register]
    if (operand.kind === 'register') {
      this.#set(operand.index, value)
      return 'next'
    }
    const { address } = operand
    if (address?.root !== 'stack' || address.steps.length > 0 || this.#stack.size > MAX_SPILLS) return UNKNOWN
    this.#stack.set(address.add, value)
    return 'next'
  }

  #lea(): Step {
    const { register, operand } = this.#operand()
    if (operand.kind === 'register') return UNKNOWN
    this.#set(register, operand.address)
    return 'next'
  }

  #arithmetic(small: boolean): Step {
    const { register: operation, operand } = this.#operand()
    const value = small ? this.#signed8() : this.#signed32()
    if ((operation & 7) === 7) return { done: accessOf(this.#registers[RAX], false) }
    if (operand.kind !== 'register') return UNKNOWN
    const before = this.#registers[operand.index]
    if ((operation & 7) === 0) this.#set(operand.index, moved(before, value))
    else if ((operation & 7) === 5) this.#set(operand.index, moved(before, -value))
    // -8 and the like keep the stack aligned; masks of loaded values make something else of them
    else this.#set(operand.index, undefined)
    return 'next'
  }

  /** A test of a register: of what was loaded there, where the result is not in the usual place yet. */
  #look(): Step {
    const { register, operand } = this.#operand()
    const same = operand.kind === 'register' && operand.index === register
    const access = accessOf(this.#registers[RAX], false)
    return { done: access ?? (same ? accessOf(this.#registers[register], false) : undefined) }
  }

  #clear(): Step {
    const { register, operand } = this.#operand()
    if (operand.kind !== 'register') return UNKNOWN
    this.#set(operand.index, undefined)
    this.#set(register, undefined)
    return 'next'
  }

  #jump(by: number): Step {
    if (this.#jumps++ >= MAX_JUMPS) return UNKNOWN
    this.#offset += by
    return 'next'
  }

  /** ModRM, SIB and displacement. */
  #operand(): { readonly register: number; readonly operand: Operand } {
    const modrm = this.#byte()
    const register = ((modrm >> 3) & 7) | ((this.#rex & 4) << 1)
    const mode = modrm >> 6
    const low = modrm & 7
    if (mode === 3) return { register, operand: { kind: 'register', index: low | ((this.#rex & 1) << 3) } }
    let base: Value | undefined
    let absolute = false
    if (low === RSP) {
      const sib = this.#byte()
      const indexed = ((sib >> 3) & 7) !== RSP || (this.#rex & 2) !== 0
      absolute = mode === 0 && (sib & 7) === RBP
      if (!absolute && !indexed) base = this.#registers[(sib & 7) | ((this.#rex & 1) << 3)]
      if (absolute && indexed) return { register, operand: this.#skipped(4) }
    } else if (mode === 0 && low === RBP) {
      // 64-bit code: relative to the instruction, which leads to no structure of the caller's
      if (this.#wide) return { register, operand: this.#skipped(4) }
      absolute = true
    } else base = this.#registers[low | ((this.#rex & 1) << 3)]
    if (absolute)
      return { register, operand: { kind: 'memory', address: undefined, absolute: this.#signed32() } }
    const displacement = mode === 1 ? this.#signed8() : mode === 2 ? this.#signed32() : 0
    const address = base === undefined ? undefined : { ...base, add: base.add + displacement, bytes: 0 }
    return { register, operand: { kind: 'memory', address } }
  }

  #skipped(bytes: number): Operand {
    this.#at += bytes
    return { kind: 'memory', address: undefined }
  }
}
