/**
 * Mutated tables, blobs and files: every parser of symbols answers in bounded time, and throws nothing but a VmsiftError. `FUZZ_CASES`
 * (default 20 000 for each) and `FUZZ_SEED` are taken from the environment; a failure names the case's seed, which alone reproduces it.
 */
import { expect, it } from 'vitest'
import { VmsiftError } from '../../../src/core/errors.js'
import { openBtf } from '../../../src/symbols/btf-blob.js'
import { findBtf } from '../../../src/symbols/btf-search.js'
import { parseBtf } from '../../../src/symbols/btf-types.js'
import { bytesReader } from '../../../src/symbols/byte-reader.js'
import type { TypeTable } from '../../../src/symbols/contract.js'
import { parseKallsyms } from '../../../src/symbols/kallsyms.js'
import { kallsymsAt, kallsymsHits } from '../../../src/symbols/kallsyms-search.js'
import { parseSymbolFile } from '../../../src/symbols/load.js'
import { findVmcoreinfo, kallsymsTables, parseVmcoreinfo } from '../../../src/symbols/vmcoreinfo.js'
import { writeBtf } from '../../images/btf.js'
import { writeKallsyms } from '../../images/kallsyms.js'
import { type HotSpot, mutate } from '../mutate.js'

const CASES = Number(process.env['FUZZ_CASES'] ?? 20_000)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
/** A case that takes longer is tried again, since the machine is shared; twice is a finding. */
const CASE_MS = 250

function fuzz(name: string, image: Buffer, hot: readonly HotSpot[], look: (bytes: Buffer) => void): void {
  it(`${name}: ${CASES} mutations`, { timeout: 600_000 }, () => {
    look(image)
    for (let seed = SEED; seed < SEED + CASES; seed++) {
      let took = Number.POSITIVE_INFINITY
      for (let attempt = 0; attempt < 2 && took > CASE_MS; attempt++) {
        const { bytes, undo } = mutate(image, hot, seed)
        const start = performance.now()
        try {
          look(bytes)
        } catch (error) {
          if (!(error instanceof VmsiftError))
            throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
        }
        took = performance.now() - start
        undo()
      }
      expect(took, `seed ${seed}`).toBeLessThan(CASE_MS)
    }
  })
}

const SYMBOLS = Array.from({ length: 600 }, (_, i) => ({
  name: `symbol_${(i * 7919) % 600}_of_kernel`,
  type: 'tTdD'[i % 4] as string,
  address: i < 8 ? BigInt(i) : 0xffffffff81000000n + BigInt(i - (i % 3)) * 16n,
}))

for (const [name, addressing, addressesFirst] of [
  ['kallsyms of 6.1', 'absolute-percpu', true],
  ['kallsyms of 6.12', 'absolute-percpu', false],
  ['kallsyms of 7.2', 'self-relative', false],
] as const) {
  const symbols = addressing === 'self-relative' ? SYMBOLS.slice(8) : SYMBOLS
  const rodata = 0xffffffff81800000n
  const { bytes, at } = writeKallsyms(symbols, {
    pointerBytes: 8,
    addressing,
    addressesFirst,
    seqBytes: 3,
    base: rodata,
  })
  const place = (label: string) => at[label] ?? 0
  const tables = {
    numSyms: place('numSyms'),
    names: place('names'),
    tokenTable: place('tokenTable'),
    tokenIndex: place('tokenIndex'),
    offsets: place('offsets'),
    ...(at['relativeBase'] === undefined ? {} : { relativeBase: at['relativeBase'] }),
  }
  const hot: HotSpot[] = [
    [place('numSyms'), 8],
    [place('names'), 64],
    [place('markers'), 16],
    [place('tokenTable'), 1500],
    [place('tokenIndex'), 512],
    [place('offsets'), 64],
  ]
  fuzz(name, bytes, hot, mutated => {
    const read = bytesReader(mutated)
    const parsed = parseKallsyms(read, tables, 8)
    parsed?.symbols.addressOf('symbol_1_of_kernel')
    parsed?.symbols.nearest(0xffffffff81000100n)
    for (const hit of kallsymsHits(mutated)) kallsymsAt(read, hit)
  })
}

const blob = writeBtf([
  { kind: 'int', name: 'int', bytes: 4, signed: true },
  { kind: 'pointer', type: 6 },
  { kind: 'array', type: 2, count: 3 },
  { kind: 'typedef', name: 'alias', type: 1 },
  { kind: 'struct', name: '', bytes: 8, members: [{ name: 'inner', type: 4, bitOffset: 0 }] },
  {
    kind: 'struct',
    name: 'task_struct',
    bytes: 64,
    members: [
      { name: 'pid', type: 1, bitOffset: 0 },
      { name: '', type: 5, bitOffset: 32 },
      { name: 'next', type: 2, bitOffset: 64 },
      { name: 'many', type: 3, bitOffset: 128 },
      { name: 'flag', type: 1, bitOffset: 320, bits: 3 },
    ],
  },
  { kind: 'enum', name: 'e', bytes: 4, values: { A: 1n, B: 2n } },
  { kind: 'enum64', name: 'f', bytes: 8, values: { C: 1n << 40n } },
])

fuzz(
  'BTF',
  blob,
  [
    [0, 24],
    [24, blob.length - 24],
  ],
  mutated => {
    ask(parseBtf(mutated))
    for (const hit of findBtf(mutated)) openBtf(mutated.subarray(hit.offset))
  },
)

const VMCOREINFO = Buffer.from(
  'OSRELEASE=6.1.0\nPAGESIZE=4096\nSYMBOL(kallsyms_names)=ffffffffa2175590\nSYMBOL(kallsyms_token_table)=ffffffffa22c9d08\nSYMBOL(kallsyms_token_index)=ffffffffa22ca0a0\nNUMBER(phys_base)=-429916160\nKERNELOFFSET=20000000\n',
)

fuzz('VMCOREINFO', VMCOREINFO, [[0, VMCOREINFO.length]], mutated => {
  for (const { text } of findVmcoreinfo(mutated)) {
    const info = parseVmcoreinfo(text)
    kallsymsTables(info, 8)
    info.number('phys_base')
  }
})

const MAP = Buffer.from(
  'ffffffff81000000 T _text\nffffffff81000010 t helper\n0000000000001000 A percpu\nffffffffc0000000 t init\t[loop]\n'.repeat(
    4,
  ),
)

fuzz('System.map', MAP, [[0, MAP.length]], mutated => {
  parseSymbolFile(mutated, { kaslrOffset: 0x1000n }).symbols?.nearest(0xffffffff81000005n)
})

const ISF = Buffer.from(
  '{"symbols":{"init_task":{"address":18446744071607746881},"a":{"address":4096}},"base_types":{"int":{"size":4,"signed":true,"kind":"int"},"pointer":{"size":8}},"user_types":{"task_struct":{"size":64,"kind":"struct","fields":{"pid":{"type":{"kind":"base","name":"int"},"offset":0},"u":{"type":{"kind":"struct","name":"task_struct"},"offset":8,"anonymous":true},"many":{"type":{"kind":"array","count":3,"subtype":{"kind":"pointer","subtype":{"kind":"base","name":"int"}}},"offset":16}}}},"enums":{"e":{"size":4,"constants":{"A":1}}}}',
)

fuzz('ISF', ISF, [[0, ISF.length]], mutated => {
  const { symbols, types } = parseSymbolFile(mutated)
  symbols?.addressOf('init_task')
  ask(types)
})

function ask(types: TypeTable | undefined): void {
  for (const path of ['pid', 'inner', 'next', 'next.pid', 'many', 'flag', 'none']) {
    const member = types?.member('task_struct', path)
    if (member !== undefined)
      expect(Number.isSafeInteger(member.offset) && Number.isSafeInteger(member.bytes)).toBe(true)
  }
  types?.members('task_struct')
  types?.enumerator('C')
  types?.sizeOf('alias')
}
