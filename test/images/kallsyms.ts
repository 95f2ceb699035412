/** Writes the kernel's own symbol tables in every layout there has been: an encoder of its own, with no table of the parser's. */

export interface WrittenSymbol {
  readonly name: string
  readonly type: string
  readonly address: bigint
}

export interface KallsymsOptions {
  readonly pointerBytes: 4 | 8
  readonly addressing: 'absolute' | 'base-relative' | 'absolute-percpu' | 'self-relative'
  /** Before the names, as up to 6.3, or behind the tokens. */
  readonly addressesFirst?: boolean
  /** Bytes of a marker and of num_syms: a pointer's before 4.20. */
  readonly markerBytes?: 4 | 8
  /** Bytes of an entry of seqs_of_names; 0 for none. */
  readonly seqBytes?: 0 | 3 | 4
  /** Alignment; default a pointer's size, 4 with self-relative offsets. */
  readonly alignBytes?: 4 | 8
  /** gva at which the bytes will stand: what self-relative offsets count from. */
  readonly base?: bigint
}

/** The tables and where each starts in `bytes`. */
export interface WrittenKallsyms {
  readonly bytes: Buffer
  readonly at: Readonly<Record<string, number>>
}

/** Symbols must be sorted by address. */
export function writeKallsyms(symbols: readonly WrittenSymbol[], options: KallsymsOptions): WrittenKallsyms {
  const { pointerBytes, addressing, base = 0n } = options
  const align = options.alignBytes ?? (addressing === 'self-relative' ? 4 : pointerBytes)
  const markerBytes = options.markerBytes ?? 4
  const parts: Buffer[] = []
  const at: Record<string, number> = {}
  let length = 0
  const label = (name: string, bytes: (start: number) => Buffer): void => {
    const pad = (align - (length % align)) % align
    parts.push(Buffer.alloc(pad))
    length += pad
    at[name] = length
    const data = bytes(length)
    parts.push(data)
    length += data.length
  }
  const tokens = tokensFor(symbols)
  const relativeBase = symbols.find(s => s.address >= 0x40000000n)?.address ?? 0n
  const addresses = (): void => {
    if (addressing === 'absolute')
      label('addresses', () => Buffer.concat(symbols.map(s => unsigned(s.address, pointerBytes))))
    else
      label('offsets', start =>
        Buffer.concat(
          symbols.map(({ address }, i) => {
            if (addressing === 'self-relative') return unsigned(address - (base + BigInt(start + i * 4)), 4)
            if (addressing === 'base-relative') return unsigned(address - relativeBase, 4)
            return unsigned(address < 0x40000000n ? address : relativeBase - 1n - address, 4)
          }),
        ),
      )
    if (addressing === 'base-relative' || addressing === 'absolute-percpu')
      label('relativeBase', () => unsigned(relativeBase, pointerBytes))
  }
  const seqs = (): void => {
    if (options.seqBytes)
      label('seqs', () =>
        Buffer.concat(
          symbols.map((_, i) => unsigned(BigInt((i * 7919) % symbols.length), options.seqBytes ?? 3)),
        ),
      )
  }
  const codes = new Map(tokens.map((token, code) => [token, code]))
  const names = symbols.map(s => compress(s.type + s.name, codes))
  const starts: number[] = []
  let sum = 0
  for (const name of names) {
    starts.push(sum)
    sum += name.length
  }
  if (options.addressesFirst) addresses()
  label('numSyms', () => unsigned(BigInt(symbols.length), markerBytes))
  label('names', () => Buffer.concat(names))
  label('markers', () =>
    Buffer.concat(starts.filter((_, i) => i % 256 === 0).map(start => unsigned(BigInt(start), markerBytes))),
  )
  if (options.addressesFirst) seqs()
  label('tokenTable', () => Buffer.from(`${tokens.join('\0')}\0`, 'latin1'))
  label('tokenIndex', () => {
    const index = Buffer.alloc(512)
    let offset = 0
    tokens.forEach((token, i) => {
      index.writeUInt16LE(offset, i * 2)
      offset += token.length + 1
    })
    return index
  })
  if (!options.addressesFirst) {
    addresses()
    seqs()
  }
  return { bytes: Buffer.concat(parts), at }
}

/** Every character that is used stands for itself; codes that are not are spent on frequent pairs and words. */
function tokensFor(symbols: readonly WrittenSymbol[]): string[] {
  const used = new Set(Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789_', 'latin1'))
  const counts = new Map<string, number>()
  for (const { type, name } of symbols) {
    for (const byte of Buffer.from(type + name, 'latin1')) used.add(byte)
    for (const width of [2, 3, 5])
      for (let i = 0; i + width <= name.length; i++) {
        const piece = name.slice(i, i + width)
        counts.set(piece, (counts.get(piece) ?? 0) + width - 1)
      }
  }
  const best = [...counts].sort((a, b) => b[1] - a[1]).map(([piece]) => piece)
  return Array.from({ length: 256 }, (_, code) =>
    used.has(code) ? String.fromCharCode(code) : (best.shift() ?? ''),
  )
}

/** Greedy: the longest token that fits. */
function compress(text: string, tokens: ReadonlyMap<string, number>): Buffer {
  const codes: number[] = []
  for (let at = 0; at < text.length; ) {
    let width = Math.min(5, text.length - at)
    while (width > 1 && !tokens.has(text.slice(at, at + width))) width--
    codes.push(tokens.get(text.slice(at, at + width)) as number)
    at += width
  }
  const head = codes.length < 128 ? [codes.length] : [(codes.length & 0x7f) | 0x80, codes.length >> 7]
  return Buffer.from([...head, ...codes])
}

function unsigned(value: bigint, bytes: number): Buffer {
  const out = Buffer.alloc(8)
  out.writeBigUInt64LE(BigInt.asUintN(bytes * 8, value))
  return out.subarray(0, bytes)
}
