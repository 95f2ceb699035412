import { describe, expect, it } from 'vitest'
import { findVmcoreinfo, kallsymsTables, parseVmcoreinfo } from '../../../src/symbols/vmcoreinfo.js'

const TEXT = `OSRELEASE=6.1.0-42-cloud-amd64
BUILD-ID=3b43fad5034874490492495d552c0af6a5fab235
PAGESIZE=4096
SYMBOL(swapper_pg_dir)=ffffffffa2a10000
SYMBOL(mem_section)=ffff8993cfc86000
OFFSET(page.flags)=0
SIZE(page)=64
LENGTH(mem_section)=2048
NUMBER(phys_base)=-429916160
NUMBER(SWAPPER_PGDIR_SHIFT)=0x10
KERNELOFFSET=20000000
SYMBOL(kallsyms_names)=ffffffffa2175590
SYMBOL(kallsyms_token_table)=ffffffffa22c9d08
SYMBOL(kallsyms_token_index)=ffffffffa22ca0a0
SYMBOL(kallsyms_offsets)=ffffffffa21200b0
SYMBOL(kallsyms_relative_base)=ffffffffa2175580
CRASHTIME=1700000000
`

describe('VMCOREINFO', () => {
  const info = parseVmcoreinfo(TEXT)

  it('gives what it says, hex and decimal as the kernel writes them', () => {
    expect(info).toMatchObject({
      release: '6.1.0-42-cloud-amd64',
      pageBytes: 4096,
      kernelOffset: 0x20000000n,
      crashTime: 1700000000,
    })
    expect(info.symbol('swapper_pg_dir')).toBe(0xffffffffa2a10000n)
    expect(info.number('phys_base')).toBe(-429916160n)
    expect(info.number('SWAPPER_PGDIR_SHIFT')).toBe(16n)
    expect(info.size('page')).toBe(64)
    expect(info.offset('page.flags')).toBe(0)
    expect(info.length('mem_section')).toBe(2048)
  })

  it('leaves absent what it does not say', () => {
    const empty = parseVmcoreinfo('no line\n=x\nPAGESIZE=many\nSYMBOL(a)=xyz')
    expect([
      empty.release,
      empty.pageBytes,
      empty.kernelOffset,
      empty.symbol('a'),
      empty.size('page'),
    ]).toEqual(Array(5).fill(undefined))
    expect(kallsymsTables(empty, 8)).toBeUndefined()
  })

  it('names the kallsyms tables; num_syms stands before the names where it is not named', () => {
    expect(kallsymsTables(info, 8)).toEqual({
      numSyms: 0xffffffffa2175588n,
      names: 0xffffffffa2175590n,
      tokenTable: 0xffffffffa22c9d08n,
      tokenIndex: 0xffffffffa22ca0a0n,
      offsets: 0xffffffffa21200b0n,
      relativeBase: 0xffffffffa2175580n,
    })
  })

  it('is found among other bytes, and strings like it are not', () => {
    const bytes = Buffer.concat([
      Buffer.from('OSRELEASE=%s\nOSRELEASE=\0'),
      Buffer.alloc(50),
      Buffer.from(TEXT),
      Buffer.from([0, 1, 2]),
    ])
    expect(findVmcoreinfo(bytes)).toEqual([{ offset: bytes.indexOf('OSRELEASE=6'), text: TEXT }])
  })
})
