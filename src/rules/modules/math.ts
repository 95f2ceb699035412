/** The `math` module, as YARA 4.2 computes it (modules/math/math.c), with `to_string` of later ones. */
import {
  after,
  type CallContext,
  type ModuleFunction,
  type RuleModule,
  type Soon,
  type Value,
} from './module.js'
import { Histogram, histogramOf, readRange } from './ranges.js'

const INT64 = 64

/** Functions over a range (`ii`) and over a text (`s`), from how often each byte stands there. */
function statistic(
  extra: string,
  compute: (bytes: Histogram, values: readonly Value[]) => number,
): readonly ModuleFunction[] {
  return [
    {
      takes: `ii${extra}`,
      returns: 'float',
      run: ([offset, length, ...rest], context) =>
        after(ofRange(context, offset, length), bytes =>
          bytes === undefined ? undefined : defined(compute(bytes, rest)),
        ),
    },
    {
      takes: `s${extra}`,
      returns: 'float',
      run: ([text, ...rest]) => {
        // YARA takes the bytes of texts, and only those, as signed.
        const bytes = new Histogram(true)
        bytes.add(text as Uint8Array)
        return defined(compute(bytes, rest))
      },
    },
  ]
}

/** YARA takes NaN for undefined. */
function defined(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value
}

function entropy({ counts, total }: Histogram): number {
  let bits = 0
  for (const count of counts) if (count !== 0) bits -= (count / total) * Math.log2(count / total)
  return bits
}

function mean(bytes: Histogram): number {
  let added = 0
  bytes.counts.forEach((count, byte) => {
    added += bytes.valueOf(byte) * count
  })
  return added / bytes.total
}

function deviation(bytes: Histogram, [from]: readonly Value[]): number {
  let added = 0
  bytes.counts.forEach((count, byte) => {
    added += Math.abs(bytes.valueOf(byte) - (from as number)) * count
  })
  return added / bytes.total
}

/** Functions that need the bytes in their order. */
function ordered(create: () => Ordered): readonly ModuleFunction[] {
  return [
    {
      takes: 'ii',
      returns: 'float',
      run: ([offset, length], context) => {
        const state = create()
        const read = readRange(context, offset as bigint, length as bigint, bytes => {
          for (const byte of bytes) state.add(byte)
        })
        return after(read, whole => (whole ? defined(state.result()) : undefined))
      },
    },
    {
      takes: 's',
      returns: 'float',
      run: ([text]) => {
        const state = create()
        for (const byte of text as Uint8Array) state.add(byte > 127 ? byte - 256 : byte)
        return defined(state.result())
      },
    },
  ]
}

interface Ordered {
  add(byte: number): void
  result(): number
}

function serialCorrelation(): Ordered {
  let [last, products, added, squares, total] = [0, 0, 0, 0, 0]
  return {
    add(byte) {
      products += last * byte
      added += byte
      squares += byte * byte
      last = byte
      total++
    },
    result() {
      const wrapped = products + last * last
      const divisor = total * squares - added * added
      return divisor === 0 ? -100000 : (total * wrapped - added * added) / divisor
    },
  }
}

function monteCarloPi(): Ordered {
  const radius = (256 ** 3 - 1) ** 2
  const six: number[] = []
  let [all, inside] = [0, 0]
  return {
    add(byte) {
      // A signed byte becomes an unsigned 32-bit number in YARA.
      six.push(byte >>> 0)
      if (six.length < 6) return
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = six
      const x = (a * 256 + b) * 256 + c
      const y = (d * 256 + e) * 256 + f
      all++
      if (x * x + y * y <= radius) inside++
      six.length = 0
    },
    result: () => (all === 0 ? Number.NaN : Math.abs((4 * (inside / all) - Math.PI) / Math.PI)),
  }
}

const unsigned = (value: Value) => BigInt.asUintN(INT64, value as bigint)
const smaller = ([a, b]: readonly Value[]) => (unsigned(a) < unsigned(b) ? a : b)
const larger = ([a, b]: readonly Value[]) => (unsigned(a) > unsigned(b) ? a : b)

const byteOf = (value: Value) => Number(BigInt.asUintN(8, value as bigint))

function share(bytes: Histogram | undefined, byte: Value): number | undefined {
  if (bytes === undefined) return undefined
  return defined(Math.fround(Math.fround(bytes.counts[byteOf(byte)] ?? 0) / Math.fround(bytes.total)))
}

function mostCommon(bytes: Histogram | undefined): bigint | undefined {
  if (bytes === undefined) return undefined
  let most = 0
  bytes.counts.forEach((count, byte) => {
    if (count > (bytes.counts[most] ?? 0)) most = byte
  })
  return BigInt(most)
}

function counted(bytes: Histogram | undefined, byte: Value): bigint | undefined {
  return bytes && BigInt(bytes.counts[byteOf(byte)] ?? 0)
}

function ofRange(context: CallContext, offset: Value, length: Value): Soon<Histogram | undefined> {
  return histogramOf(context, offset as bigint, length as bigint)
}

/** The whole space, which has an answer only where it has no hole. */
function ofAll(context: CallContext): Soon<Histogram | undefined> {
  const { filesize } = context.space
  return filesize === undefined ? undefined : histogramOf(context, 0n, filesize)
}

const text = (value: string) => Buffer.from(value, 'latin1')

function inBase([value, base]: readonly Value[]): Uint8Array | undefined {
  const number = value as bigint
  if (base === undefined || base === 10n) return text(String(number))
  if (base === 8n || base === 16n) return text(BigInt.asUintN(INT64, number).toString(Number(base)))
  return undefined
}

export const MATH: RuleModule = {
  floats: { MEAN_BYTES: 127.5 },
  functions: {
    entropy: statistic('', entropy),
    mean: statistic('', mean),
    deviation: statistic('f', deviation),
    serial_correlation: ordered(serialCorrelation),
    monte_carlo_pi: ordered(monteCarloPi),
    in_range: [
      {
        takes: 'fff',
        returns: 'integer',
        run: ([test, low, high]) =>
          (low as number) <= (test as number) && (test as number) <= (high as number) ? 1n : 0n,
      },
    ],
    min: [{ takes: 'ii', returns: 'integer', run: smaller }],
    max: [{ takes: 'ii', returns: 'integer', run: larger }],
    to_number: [{ takes: 'b', returns: 'integer', run: ([value]) => (value === true ? 1n : 0n) }],
    abs: [
      {
        takes: 'i',
        returns: 'integer',
        run: ([value]) => ((value as bigint) < 0n ? BigInt.asIntN(INT64, -(value as bigint)) : value),
      },
    ],
    count: [
      {
        takes: 'iii',
        returns: 'integer',
        run: ([byte, offset, length], context) =>
          after(ofRange(context, offset, length), bytes => counted(bytes, byte)),
      },
      {
        takes: 'i',
        returns: 'integer',
        run: ([byte], context) => after(ofAll(context), bytes => counted(bytes, byte)),
      },
    ],
    percentage: [
      {
        takes: 'iii',
        returns: 'float',
        run: ([byte, offset, length], context) =>
          after(ofRange(context, offset, length), bytes => share(bytes, byte)),
      },
      {
        takes: 'i',
        returns: 'float',
        run: ([byte], context) => after(ofAll(context), bytes => share(bytes, byte)),
      },
    ],
    mode: [
      {
        takes: 'ii',
        returns: 'integer',
        run: ([offset, length], context) => after(ofRange(context, offset, length), mostCommon),
      },
      { takes: '', returns: 'integer', run: (_, context) => after(ofAll(context), mostCommon) },
    ],
    to_string: [
      { takes: 'i', returns: 'text', run: inBase },
      { takes: 'ii', returns: 'text', run: inBase },
    ],
  },
}
