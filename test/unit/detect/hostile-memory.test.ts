import { randomFillSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { findLinux } from '../../../src/os/linux/detect/find.js'
import { KALLSYMS_NEEDLE } from '../../../src/symbols/kallsyms-search.js'
import { FlatMemory } from '../../images/flat-memory.js'
import { writeKallsyms } from '../../images/kallsyms.js'

const MIB = 1 << 20
/** Far above what is needed here, far below what a person takes for hanging; the machine may be busy. */
const PATIENCE_MS = 20_000

const INFO = [
  'OSRELEASE=6.6.6-evil',
  'PAGESIZE=4096',
  'SYMBOL(swapper_pg_dir)=ffffffff82000000',
  'SYMBOL(_stext)=ffffffff81000000',
  'SIZE(list_head)=16',
  'NUMBER(phys_base)=0',
]

function nothingIn(memory: FlatMemory, hints = {}): void {
  const started = performance.now()
  expect(findLinux(memory, hints)).toBeUndefined()
  expect(performance.now() - started).toBeLessThan(PATIENCE_MS)
}

/** The same bytes again and again. */
function tiled(length: number, tile: Uint8Array, every = tile.length): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + tile.length <= length; at += every) bytes.set(tile, at)
  return bytes
}

describe('finding a kernel in memory that was made to mislead', () => {
  it('ends with nothing in random bytes', () => {
    nothingIn(new FlatMemory(randomFillSync(Buffer.alloc(64 * MIB))), { openBase: true })
  })

  it('ends with nothing where no byte is set, and where all are', () => {
    nothingIn(new FlatMemory(Buffer.alloc(8 * MIB)))
    nothingIn(new FlatMemory(Buffer.alloc(8 * MIB, 0xff)))
    nothingIn(new FlatMemory(Buffer.alloc(100, 0xff)))
  })

  it('ends with nothing where banners are all there is', () => {
    nothingIn(new FlatMemory(tiled(16 * MIB, Buffer.from('Linux version 6.1.0 (a@b) (gcc) #1 SMP\n\0'))))
  })

  it('ends with nothing where the letters of token tables are all there is', () => {
    nothingIn(new FlatMemory(tiled(64 * MIB, Buffer.concat([KALLSYMS_NEEDLE, Buffer.alloc(5)]))))
  })

  it('ends with nothing where thousands of symbol tables belong to no kernel', () => {
    const symbols = Array.from({ length: 1500 }, (_, i) => ({
      name: `function_${i}`,
      type: 'T',
      address: 0xffff_ffff_8100_0000n + BigInt(i * 64),
    }))
    symbols[0]!.name = '_stext'
    const { bytes } = writeKallsyms(symbols, {
      pointerBytes: 8,
      addressing: 'base-relative',
      addressesFirst: true,
    })
    nothingIn(new FlatMemory(tiled(64 * MIB, bytes, Math.ceil(bytes.length / 4096) * 4096)), {
      openBase: true,
    })
  })

  it('ends with nothing where every entry of every table leads to itself', () => {
    const bytes = Buffer.alloc(64 * MIB)
    for (let at = 0; at < bytes.length; at += 8) bytes.writeBigUInt64LE(BigInt(at - (at % 4096)) | 0x67n, at)
    bytes.write(`${INFO.join('\n')}\n\0`, 0x3000)
    nothingIn(new FlatMemory(bytes), {
      notes: { vmcoreinfo: INFO.join('\n'), cpus: [{ vcpu: 0, registers: { cr3: 0x1000n, cr4: 0x1020n } }] },
    })
  })

  it('takes no harm from numbers in VMCOREINFO that can not be', () => {
    const memory = new FlatMemory(Buffer.alloc(MIB))
    for (const line of [
      'NUMBER(phys_base)=-9223372036854775808',
      'NUMBER(phys_base)=9223372036854775807',
      'NUMBER(kimage_voffset)=0xffffffffffffffff',
      'NUMBER(kimage_voffset)=0x0\nNUMBER(TCR_EL1_T1SZ)=0xffffffff',
      'SYMBOL(kallsyms_names)=0\nSYMBOL(kallsyms_token_table)=ffffffffffffffff\nSYMBOL(kallsyms_token_index)=1',
    ])
      for (const pageSize of ['4096', '0', '16384', '99999999999999999999'])
        nothingIn(memory, {
          openBase: true,
          notes: {
            cpus: [],
            vmcoreinfo: [line, ...INFO.filter(l => !l.startsWith('PAGESIZE')), `PAGESIZE=${pageSize}`].join(
              '\n',
            ),
          },
        })
  })

  it('tries a limited number of VMCOREINFO texts', () => {
    const page = (i: number) => Buffer.from(`${INFO.join('\n')}\nCRASHTIME=${i}\n\0`)
    const bytes = Buffer.alloc(32 * MIB)
    for (let i = 0; i < bytes.length / 4096; i++) bytes.set(page(i), i * 4096)
    nothingIn(new FlatMemory(bytes), { openBase: true })
  })
})
