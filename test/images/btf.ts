/** Writes BTF blobs (Documentation/bpf/btf.rst). */

export type WrittenType =
  | {
      readonly kind: 'int'
      readonly name: string
      readonly bytes: number
      readonly signed?: boolean
      readonly bits?: number
      readonly shift?: number
    }
  | { readonly kind: 'pointer' | 'const' | 'volatile' | 'restrict'; readonly type: number }
  | { readonly kind: 'typedef' | 'typeTag' | 'func'; readonly name: string; readonly type: number }
  | { readonly kind: 'array'; readonly type: number; readonly count: number }
  | {
      readonly kind: 'struct' | 'union'
      readonly name: string
      readonly bytes: number
      readonly members: readonly WrittenMember[]
    }
  | {
      readonly kind: 'enum' | 'enum64'
      readonly name: string
      readonly bytes: number
      readonly signed?: boolean
      readonly values: Readonly<Record<string, bigint>>
    }
  | { readonly kind: 'forward'; readonly name: string }
  | { readonly kind: 'funcProto'; readonly type: number; readonly parameters: readonly number[] }
  | { readonly kind: 'var'; readonly name: string; readonly type: number }
  | {
      readonly kind: 'datasec'
      readonly name: string
      readonly bytes: number
      readonly variables: readonly number[]
    }
  | { readonly kind: 'float'; readonly name: string; readonly bytes: number }
  | { readonly kind: 'declTag'; readonly name: string; readonly type: number }
  /** A kind nobody knows yet, with `words` words behind it. */
  | { readonly kind: 'future'; readonly number: number; readonly words: number }

/** `name` empty: an anonymous structure or union. `bits`: a bit field's width. */
export interface WrittenMember {
  readonly name: string
  readonly type: number
  readonly bitOffset: number
  readonly bits?: number
}

export interface BtfOptions {
  /** Adds the sizes of all kinds, as 7.x does; needed for kinds of the future. */
  readonly layout?: boolean
}

const KINDS = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  funcProto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const

/** The types have ids from 1 on, in their order. */
export function writeBtf(types: readonly WrittenType[], options: BtfOptions = {}): Buffer {
  const strings = new Map<string, number>([['', 0]])
  let stringBytes = 1
  const string = (text: string): number => {
    const known = strings.get(text)
    if (known !== undefined) return known
    strings.set(text, stringBytes)
    stringBytes += Buffer.byteLength(text) + 1
    return strings.get(text) as number
  }
  const records = Buffer.concat(types.map(type => words(record(type, string))))
  const texts = Buffer.from([...strings.keys()].map(text => `${text}\0`).join(''))
  const layout = options.layout ? layoutOf(types) : Buffer.alloc(0)
  const headerBytes = options.layout ? 32 : 24
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16LE(0xeb9f, 0)
  header.writeUInt8(1, 2)
  const fields = [
    headerBytes,
    0,
    records.length,
    records.length + layout.length,
    texts.length,
    records.length,
    layout.length,
  ]
  for (const [i, value] of fields.slice(0, headerBytes / 4 - 1).entries())
    header.writeUInt32LE(value, 4 + i * 4)
  return Buffer.concat([header, records, layout, texts])
}

function record(type: WrittenType, string: (text: string) => number): number[] {
  const head = (kind: number, name: string, length: number, size: number, flag = false) => [
    string(name),
    ((kind << 24) | length | (flag ? 0x80000000 : 0)) >>> 0,
    size,
  ]
  switch (type.kind) {
    case 'int': {
      const encoding =
        (type.signed ? 0x1000000 : 0) | ((type.shift ?? 0) << 16) | (type.bits ?? type.bytes * 8)
      return [...head(KINDS.int, type.name, 0, type.bytes), encoding]
    }
    case 'pointer':
    case 'const':
    case 'volatile':
    case 'restrict':
      return head(KINDS[type.kind], '', 0, type.type)
    case 'typedef':
    case 'typeTag':
    case 'func':
      return head(KINDS[type.kind], type.name, 0, type.type)
    case 'array':
      return [...head(KINDS.array, '', 0, 0), type.type, 1, type.count]
    case 'struct':
    case 'union': {
      const flag = type.members.some(member => member.bits !== undefined)
      const members = type.members.flatMap(({ name, type: id, bitOffset, bits = 0 }) => [
        string(name),
        id,
        ((bits << 24) | bitOffset) >>> 0,
      ])
      return [...head(KINDS[type.kind], type.name, type.members.length, type.bytes, flag), ...members]
    }
    case 'enum':
    case 'enum64': {
      const values = Object.entries(type.values).flatMap(([name, value]) => {
        const low = Number(BigInt.asUintN(32, value))
        return type.kind === 'enum'
          ? [string(name), low]
          : [string(name), low, Number(BigInt.asUintN(32, value >> 32n))]
      })
      return [
        ...head(KINDS[type.kind], type.name, Object.keys(type.values).length, type.bytes, type.signed),
        ...values,
      ]
    }
    case 'forward':
      return head(KINDS.forward, type.name, 0, 0)
    case 'funcProto':
      return [
        ...head(KINDS.funcProto, '', type.parameters.length, type.type),
        ...type.parameters.flatMap(id => [0, id]),
      ]
    case 'var':
      return [...head(KINDS.var, type.name, 0, type.type), 1]
    case 'datasec':
      return [
        ...head(KINDS.datasec, type.name, type.variables.length, type.bytes),
        ...type.variables.flatMap(id => [id, 0, 8]),
      ]
    case 'float':
      return head(KINDS.float, type.name, 0, type.bytes)
    case 'declTag':
      return [...head(KINDS.declTag, type.name, 0, type.type), 0xffffffff]
    case 'future':
      return [...head(type.number, '', 0, 0), ...Array<number>(type.words).fill(0xabcdef01)]
  }
}

/** Own bytes and bytes of an element, for each kind up to the largest. */
function layoutOf(types: readonly WrittenType[]): Buffer {
  const own = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0]
  const element = [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12]
  for (const type of types) if (type.kind === 'future') own[type.number] = type.words * 4
  return Buffer.concat(Array.from(own, (bytes, kind) => Buffer.from([bytes ?? 0, element[kind] ?? 0, 0, 0])))
}

function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, i * 4)
  return bytes
}
