/**
 * Vectorscan (or Hyperscan) through koffi: compile, serialise, scan. Absence of the library, or of koffi, is no error.
 *
 * Strings and tables go over as packed Buffers, kept alive over the call: koffi copies arrays of JavaScript strings
 * into a heap of bounded size and corrupts what does not fit. Every return value is checked.
 * Source of constants and signatures: hs_common.h, hs_compile.h, hs_runtime.h of Vectorscan 5.4.
 */
import { VmsiftError } from '../core/errors.js'
import { HitBuffer } from './hit-buffer.js'
import { type Koffi, tryKoffi } from './koffi.js'

const HS_SUCCESS = 0
const HS_SCAN_TERMINATED = -3
const HS_COMPILER_ERROR = -4
const HS_MODE_BLOCK = 1
const HS_FLAG_DOTALL = 2

const NAMES = [
  'libhs.so.5',
  'libhs.so',
  'libhs.5.dylib',
  'libhs.dylib',
  '/opt/homebrew/lib/libhs.dylib',
  '/usr/local/lib/libhs.dylib',
]

type Call = (...args: readonly unknown[]) => number

interface Binding {
  readonly koffi: Koffi
  readonly version: string
  readonly compileMulti: Call
  readonly freeCompileError: Call
  readonly serialize: Call
  readonly deserialize: Call
  readonly freeDatabase: Call
  readonly allocScratch: Call
  readonly freeScratch: Call
  readonly scan: Call
  readonly errorType: ReturnType<Koffi['struct']>
  readonly handlerType: ReturnType<Koffi['pointer']>
}

let binding: Binding | null | undefined

/** Version of the library found here, `5.4.9`, or undefined when there is none that works. Looks once a thread. */
export function vectorscanVersion(): string | undefined {
  return bind()?.version
}

/**
 * Compiles expressions (over bytes, DOTALL) into one block-mode database, in its serialised form. Hits are told by the
 * expressions' indices. Rows of bytes only: the library's automata lose matches (docs/DECISIONS.md).
 * @throws VmsiftError `ffi-unavailable` without the library, `bad-pattern` when it does not take an expression.
 */
export function compileExpressions(expressions: readonly string[]): SharedArrayBuffer {
  const hs = required()
  const bytes = Buffer.from(`${expressions.join('\0')}\0`, 'latin1')
  const base = BigInt(hs.koffi.address(bytes))
  const pointers = new BigUint64Array(expressions.length)
  let offset = 0
  for (const [index, expression] of expressions.entries()) {
    pointers[index] = base + BigInt(offset)
    offset += expression.length + 1
  }
  const flags = new Uint32Array(expressions.length).fill(HS_FLAG_DOTALL)
  const database = new BigUint64Array(1)
  const failure = new BigUint64Array(1)
  const code = hs.compileMulti(
    pointers,
    flags,
    Uint32Array.from(expressions.keys()),
    expressions.length,
    HS_MODE_BLOCK,
    null,
    database,
    failure,
  )
  // The pointers in `pointers` don't keep `bytes` alive; this use after the call does.
  if (bytes.length !== offset) throw new RangeError('expressions must be Latin-1 without NUL')
  if (code === HS_COMPILER_ERROR) throw refusal(hs, failure[0] ?? 0n, expressions)
  check(code, 'hs_compile_multi')
  try {
    return serialize(hs, database[0] ?? 0n)
  } finally {
    hs.freeDatabase(database[0])
  }
}

function refusal(hs: Binding, pointer: bigint, expressions: readonly string[]): VmsiftError {
  const { message, expression } = hs.koffi.decode(pointer, hs.errorType) as {
    message: string
    expression: number
  }
  hs.freeCompileError(pointer)
  return new VmsiftError(
    'bad-pattern',
    `vectorscan does not take ${expressions[expression] ?? 'these patterns'}: ${message}; --matcher embedded does`,
    { detail: { expression, message } },
  )
}

function serialize(hs: Binding, database: bigint): SharedArrayBuffer {
  const pointer = new BigUint64Array(1)
  const length = new BigUint64Array(1)
  check(hs.serialize(database, pointer, length), 'hs_serialize_database')
  const source = new Uint8Array(hs.koffi.view(pointer[0], Number(length[0])))
  const shared = new SharedArrayBuffer(source.length)
  new Uint8Array(shared).set(source)
  hs.koffi.free(pointer[0])
  return shared
}

/** A database ready to scan in this thread, with the hits of the last scan. */
export interface VectorscanDatabase extends Disposable {
  /** Expression of each hit, and where it ended; valid up to `count` until the next scan. */
  readonly ids: Uint32Array
  readonly ends: Uint32Array
  readonly count: number
  /** Finds all hits in `bytes`. False: there are more than `maxHits`, and what was collected is worthless. */
  scan(bytes: Uint8Array, maxHits: number): boolean
}

/**
 * Makes a serialised database usable in this thread. Dispose it: it holds memory outside JavaScript and a callback slot.
 * `longestBytes`: no match is longer.
 * @throws VmsiftError `ffi-unavailable` without the library or when it refuses the database (another version).
 */
export function openDatabase(serialized: SharedArrayBuffer, longestBytes: number): VectorscanDatabase {
  return new Database(required(), serialized, longestBytes)
}

/**
 * Vectorscan 5.4.9 loses matches that end in the last bytes of what it is given (26 seen, with sets of short literals).
 * So what ends there is looked for a second time, in a copy with zeros behind it.
 */
const TAIL_BYTES = 128

class Database implements VectorscanDatabase {
  readonly #hs: Binding
  readonly #database: bigint
  readonly #scratch: bigint
  readonly #hits: HitBuffer
  readonly #longestBytes: number
  /** The last bytes of what is scanned, and zeros. */
  #tail = new Uint8Array(0)
  #disposed = false

  constructor(hs: Binding, serialized: SharedArrayBuffer, longestBytes: number) {
    this.#hs = hs
    this.#longestBytes = longestBytes
    const out = new BigUint64Array(1)
    const copy = Buffer.from(new Uint8Array(serialized))
    check(hs.deserialize(copy, copy.length, out), 'hs_deserialize_database')
    this.#database = out[0] ?? 0n
    const scratch = new BigUint64Array(1)
    const code = hs.allocScratch(this.#database, scratch)
    if (code !== HS_SUCCESS) hs.freeDatabase(this.#database)
    check(code, 'hs_alloc_scratch')
    this.#scratch = scratch[0] ?? 0n
    this.#hits = new HitBuffer(hs.koffi, hs.handlerType)
  }

  get ids(): Uint32Array {
    return this.#hits.ids
  }

  get ends(): Uint32Array {
    return this.#hits.ends
  }

  get count(): number {
    return this.#hits.count
  }

  scan(bytes: Uint8Array, maxHits: number): boolean {
    this.#hits.count = 0
    const sure = Math.max(0, bytes.length - TAIL_BYTES)
    if (sure > 0 && !this.#scanFor(bytes, bytes.length, maxHits, 0, 0, sure)) return false
    const from = Math.max(0, sure - this.#longestBytes)
    const length = bytes.length - from + TAIL_BYTES
    if (this.#tail.length < length) this.#tail = new Uint8Array(length)
    this.#tail.set(bytes.subarray(from))
    this.#tail.fill(0, bytes.length - from, length)
    return this.#scanFor(this.#tail, length, maxHits, from, sure, bytes.length)
  }

  /** One call; adds `base` to the ends that the library tells, and keeps those in `above` < end ≤ `upTo`. */
  #scanFor(
    bytes: Uint8Array,
    length: number,
    maxHits: number,
    base: number,
    above: number,
    upTo: number,
  ): boolean {
    const hits = this.#hits
    const before = hits.count
    for (;;) {
      const { handler, context } = hits.enter()
      const code = this.#hs.scan(this.#database, bytes, length, 0, this.#scratch, handler, context)
      hits.leave()
      if (code !== HS_SCAN_TERMINATED) {
        check(code, 'hs_scan')
        break
      }
      hits.count = before
      // from the start again, with more room: it is kept for what follows
      if (!hits.grow(maxHits)) return false
    }
    hits.keep(before, base, above, upTo)
    return true
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#hs.freeScratch(this.#scratch)
    this.#hs.freeDatabase(this.#database)
    this.#hits[Symbol.dispose]()
  }
}

function required(): Binding {
  const hs = bind()
  if (hs === undefined)
    throw new VmsiftError(
      'ffi-unavailable',
      'vectorscan is not available here: apt install libvectorscan5 (or set VMSIFT_LIBHS), or use --matcher embedded',
    )
  return hs
}

function bind(): Binding | undefined {
  if (binding === undefined) binding = tryBind() ?? null
  return binding ?? undefined
}

function tryBind(): Binding | undefined {
  const koffi = tryKoffi()
  if (koffi === undefined) return undefined
  const override = process.env.VMSIFT_LIBHS
  for (const name of override ? [override] : NAMES) {
    try {
      const found = bindLibrary(koffi, name)
      if (found !== undefined) return found
    } catch {
      // Not under this name; the next one may be there.
    }
  }
  return undefined
}

function bindLibrary(koffi: Koffi, name: string): Binding | undefined {
  const library = koffi.load(name)
  const call = (symbol: string, ...args: string[]) => library.func(symbol, 'int', args) as Call
  // The library is compiled for one level of the processor's vector instructions and crashes below it.
  if (call('hs_valid_platform')() !== HS_SUCCESS) return undefined
  const version = String(library.func('hs_version', 'str', [])()).split(' ')[0] ?? ''
  const handler = koffi.proto('int', ['uint32', 'uint64', 'uint64', 'uint32', 'void *'])
  return {
    koffi,
    version,
    compileMulti: call(
      'hs_compile_multi',
      'void *',
      'void *',
      'void *',
      'uint32',
      'uint32',
      'void *',
      'void *',
      'void *',
    ),
    freeCompileError: call('hs_free_compile_error', 'void *'),
    serialize: call('hs_serialize_database', 'void *', 'void *', 'void *'),
    deserialize: call('hs_deserialize_database', 'void *', 'size_t', 'void *'),
    freeDatabase: call('hs_free_database', 'void *'),
    allocScratch: call('hs_alloc_scratch', 'void *', 'void *'),
    freeScratch: call('hs_free_scratch', 'void *'),
    scan: call('hs_scan', 'void *', 'void *', 'uint32', 'uint32', 'void *', 'void *', 'void *'),
    errorType: koffi.struct({ message: 'str', expression: 'int' }),
    handlerType: koffi.pointer(handler),
  }
}

function check(code: number, call: string): void {
  if (code !== HS_SUCCESS)
    throw new VmsiftError('ffi-unavailable', `vectorscan: ${call} failed with ${code} (hs_common.h)`, {
      detail: { call, code },
    })
}
