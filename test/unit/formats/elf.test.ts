import { describe, expect, it } from 'vitest'
import { EXCLUDED_EXTENT } from '../../../src/formats/image.js'
import { type ElfOptions, writeElf } from '../../images/elf.js'
import { prstatusAarch64, prstatusI386, prstatusX86, qemuState, vmcoreinfo } from '../../images/notes.js'
import { openImage } from '../../images/open.js'
import { memoryBytes } from '../../images/runs.js'

const RUN = { gpa: 0x10000, bytes: memoryBytes(0x4000, 8) }
const parse = (options: ElfOptions) => openImage(writeElf([RUN], options)).image

describe('ELF segments', () => {
  it('reads more than 65535 of them', () => {
    const bytes = memoryBytes(70_000 * 16, 3)
    const { image, memory } = openImage(writeElf([{ gpa: 0x1000, bytes }], { segmentBytes: 16 }))
    expect(image.runs).toEqual([{ gpa: 0x1000, length: bytes.length }])
    expect(Buffer.from(memory.window(0x1000, bytes.length).bytes).equals(bytes)).toBe(true)
  })

  it('keeps apart neighbours in address whose bytes lie apart in the file', () => {
    const second = { gpa: 0x14000, bytes: memoryBytes(0x1000, 9) }
    const { image } = openImage(writeElf([second, RUN]))
    expect(image.runs).toEqual([{ gpa: 0x10000, length: 0x5000 }])
    expect(image.storage.kind === 'direct' && image.storage.extents.gpa.length).toBe(2)
  })

  it('tells what p_memsz claims beyond p_filesz as left out, not as zeros', () => {
    const { image, memory } = openImage(writeElf([RUN], { leftOut: () => 0x3000 }))
    expect(image.runs).toEqual([{ gpa: 0x10000, length: 0x7000 }])
    expect(image.storage.kind === 'direct' && [...image.storage.extents.offset]).toContain(EXCLUDED_EXTENT)
    expect(memory.window(0x13000, 0x2000).stop).toEqual({ kind: 'gap', reason: 'excluded', length: 0x1000 })
  })

  it('lets bytes win over memory left out, whichever segment comes first', () => {
    const lie = { paddr: 0x10000n, offset: 0n, fileBytes: 0n, memoryBytes: 0x4000n }
    const { image, memory } = openImage(writeElf([RUN], { extra: () => [lie] }))
    expect(image.runs).toEqual([{ gpa: 0x10000, length: 0x4000 }])
    expect(Buffer.from(memory.window(0x10000, 0x4000).bytes).equals(RUN.bytes)).toBe(true)
  })

  it('takes a mapping of QEMU past RAM as no memory when segments are aliases', () => {
    const alias: ElfOptions['extra'] = at => [
      { paddr: 0x13000n, offset: at(0x13000), fileBytes: 0x1000n, memoryBytes: 0x20_0000n },
      { paddr: 0xfee0_0000n, offset: 2n ** 64n - 1n, fileBytes: 0n, memoryBytes: 0x1000n },
    ]
    expect(parse({ extra: alias, notes: qemuState({}) }).runs).toEqual([{ gpa: 0x10000, length: 0x4000 }])
  })

  it('leaves out segments without a physical address, with a warning', () => {
    const image = parse({
      extra: () => [{ paddr: 2n ** 64n - 1n, offset: 0n, fileBytes: 64n, memoryBytes: 64n }],
    })
    expect(image.runs).toEqual([{ gpa: 0x10000, length: 0x4000 }])
    expect(image.warnings).toEqual(['1 ELF segments have no physical address and are left out'])
  })

  it.each([
    ['a size near 2^64', { paddr: 0n, offset: 0n, fileBytes: 2n ** 64n - 1n, memoryBytes: 2n ** 64n - 1n }],
    ['an offset near 2^64', { paddr: 0n, offset: 2n ** 64n - 4096n, fileBytes: 8192n, memoryBytes: 8192n }],
    ['an end past 2^52', { paddr: 2n ** 52n - 4096n, offset: 0n, fileBytes: 8192n, memoryBytes: 8192n }],
  ])('refuses %s', (_name, segment) => {
    expect(() => parse({ extra: () => [segment] })).toThrow(/segment 0 is out of bounds/)
  })

  it('keeps what lies past the end of the file: the reader tells that it is missing', () => {
    const { image, memory } = openImage(writeElf([RUN]).subarray(0, -0x1000))
    expect(image.runs).toEqual([{ gpa: 0x10000, length: 0x4000 }])
    expect(memory.spanAt(0x13000, 0x1000)).toEqual({ kind: 'gap', length: 0x1000, reason: 'truncated' })
  })

  it('resolves 200 000 aliases of one range in time', () => {
    const extra: ElfOptions['extra'] = at =>
      Array.from({ length: 200_000 }, (_, i) => ({
        paddr: BigInt(0x10000 + (i % 4) * 0x1000),
        offset: at(0x10000 + (i % 4) * 0x1000),
        fileBytes: 0x1000n,
        memoryBytes: 0x1000n,
      }))
    const bytes = writeElf([RUN], { extra })
    const start = performance.now()
    expect(openImage(bytes).image.runs).toEqual([{ gpa: 0x10000, length: 0x4000 }])
    expect(performance.now() - start).toBeLessThan(3000)
  })

  it('refuses headers cut short, and a core without memory', () => {
    expect(() => openImage(writeElf([RUN]).subarray(0, 40))).toThrow(/cut short/)
    expect(() => openImage(writeElf([RUN]).subarray(0, 100))).toThrow(/cut short/)
    expect(() => openImage(writeElf([]))).toThrow(/holds no memory/)
  })
})

describe('ELF notes', () => {
  it('keeps registers of every vCPU, QEMU’s note before NT_PRSTATUS', () => {
    const general = Array.from({ length: 18 }, (_, i) => BigInt(0x100 + i))
    const state = qemuState({
      general,
      bases: Array.from({ length: 10 }, (_, i) => 0xffff_8000_0000_0000n + BigInt(i)),
      cr: [0x80050033n, 0n, 0x7fffn, 0x1aa000n, 0x370ef0n],
      kernelGsBase: 0xffff_8880_1234_0000n,
    })
    const image = parse({
      notes: Buffer.concat([prstatusX86([15n]), prstatusX86([16n]), state, vmcoreinfo('OSRELEASE=6.1\n')]),
    })
    expect(image.notes.vmcoreinfo).toBe('OSRELEASE=6.1\n')
    expect(image.notes.cpus).toHaveLength(2)
    expect(image.notes.cpus[0]?.registers).toMatchObject({
      rax: 0x100n,
      rip: 0x110n,
      cr0: 0x80050033n,
      cr3: 0x1aa000n,
      cs: 8n,
      gs_base: 0xffff_8000_0000_0004n,
      gdt_base: 0xffff_8000_0000_0008n,
      idt_limit: 0xffffn,
      kernel_gs_base: 0xffff_8880_1234_0000n,
    })
    expect(image.notes.cpus[0]?.registers).not.toHaveProperty('efer')
    expect(image.notes.cpus[1]?.registers['r15']).toBe(16n)
    expect(image.notes.cpus[1]?.registers).not.toHaveProperty('cr3')
  })

  it('names i386 registers as the guest does', () => {
    const notes = Buffer.concat([
      prstatusI386([1, 2, 3]),
      qemuState({ general: [7n], cr: [0n, 0n, 0n, 0x1000n, 0x20n] }),
    ])
    const { architecture, notes: kept } = parse({ machine: 3, notes })
    expect(architecture).toBe('i386-pae')
    expect(kept.cpus[0]?.registers).toMatchObject({ eax: 7n, ebx: 0n, cr3: 0x1000n })
    expect(kept.cpus[0]?.registers).not.toHaveProperty('rax')
  })

  it('reads aarch64 registers', () => {
    const registers = Array.from({ length: 34 }, (_, i) => BigInt(i))
    const image = parse({ machine: 183, notes: prstatusAarch64(registers) })
    expect(image.architecture).toBe('aarch64')
    expect(image.notes.cpus[0]?.registers).toMatchObject({ x0: 0n, x30: 30n, sp: 31n, pc: 32n, pstate: 33n })
  })

  it.each([
    ['x86_64-la57', 62, qemuState({ cr: [0n, 0n, 0n, 0n, 1n << 12n] })],
    ['x86_64', 62, qemuState({ cr: [0n, 0n, 0n, 0n, 0x20n] })],
    ['x86_64-la57', 62, vmcoreinfo('NUMBER(pgtable_l5_enabled)=1\n')],
    ['i386', 3, qemuState({})],
    ['i386-pae', 3, vmcoreinfo('CONFIG_X86_PAE=y\n')],
    [undefined, 3, Buffer.alloc(0)],
    [undefined, 8, Buffer.alloc(0)],
  ])('finds the architecture %s', (architecture, machine, notes) => {
    expect(parse({ machine, notes }).architecture).toBe(architecture)
  })

  it('ends at a broken note and keeps what came before', () => {
    const notes = Buffer.concat([
      prstatusX86([1n]),
      Buffer.from([5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]),
    ])
    expect(parse({ notes }).notes.cpus).toHaveLength(1)
  })
})
