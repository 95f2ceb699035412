import { describe, expect, it } from 'vitest'
import { findLinux } from '../../../src/os/linux/detect/find.js'
import { rebased } from '../../../src/os/search/physical.js'
import { aarch64Mode, pagingMode } from '../../../src/paging/modes.js'
import { SYNTHETIC_BANNER, type SyntheticOptions, syntheticKernel } from '../../images/synthetic-kernel.js'

const ARM_RAM = 0x4000_0000

/** Each paging mode with addresses as its kernels have them, and what its VMCOREINFO says. */
const KERNELS: Readonly<Record<string, SyntheticOptions & { readonly vmcoreinfo: readonly string[] }>> = {
  'x86-64': {
    mode: pagingMode('x86_64'),
    imageGpa: 0x120_0000,
    imageVa: 0xffff_ffff_a100_0000n,
    vmcoreinfo: ['NUMBER(phys_base)=-530579456', 'NUMBER(pgtable_l5_enabled)=0'],
  },
  'x86-64 with 5 levels': {
    mode: pagingMode('x86_64-la57'),
    imageGpa: 0x120_0000,
    imageVa: 0xffff_ffff_a100_0000n,
    vmcoreinfo: ['NUMBER(phys_base)=-530579456', 'NUMBER(pgtable_l5_enabled)=1'],
  },
  'i386 with PAE': {
    mode: pagingMode('i386-pae'),
    imageGpa: 0x100_0000,
    imageVa: 0xc100_0000n,
    vmcoreinfo: ['CONFIG_X86_PAE=y'],
  },
  'i386 without PAE': {
    mode: pagingMode('i386'),
    imageGpa: 0x100_0000,
    imageVa: 0xc100_0000n,
    vmcoreinfo: [],
  },
  'aarch64 with 4 KiB pages and 39 bits': {
    mode: aarch64Mode({ granule: 4096, vaBits: 39 }),
    ramStart: ARM_RAM,
    imageGpa: 0x4100_0000,
    imageVa: 0xffff_ffc0_0880_0000n,
    vmcoreinfo: ['NUMBER(VA_BITS)=39', 'NUMBER(kimage_voffset)=0xffffffbfc7800000'],
  },
  'aarch64 with 4 KiB pages': {
    mode: aarch64Mode({ granule: 4096, vaBits: 48 }),
    ramStart: ARM_RAM,
    imageGpa: 0x4100_0000,
    imageVa: 0xffff_8000_0880_0000n,
    vmcoreinfo: ['NUMBER(VA_BITS)=48', 'NUMBER(kimage_voffset)=0xffff7fffc7800000'],
  },
  'aarch64 with 16 KiB pages': {
    mode: aarch64Mode({ granule: 16384, vaBits: 47 }),
    ramStart: ARM_RAM,
    imageGpa: 0x4100_0000,
    imageVa: 0xffff_c000_0880_0000n,
    vmcoreinfo: [
      'NUMBER(VA_BITS)=52',
      'NUMBER(TCR_EL1_T1SZ)=0x11',
      'NUMBER(kimage_voffset)=0xffffbfffc7800000',
    ],
  },
  'aarch64 with 64 KiB pages': {
    mode: aarch64Mode({ granule: 65536, vaBits: 48 }),
    ramStart: ARM_RAM,
    imageGpa: 0x4100_0000,
    imageVa: 0xffff_8000_0880_0000n,
    vmcoreinfo: ['NUMBER(VA_BITS)=48', 'NUMBER(kimage_voffset)=0xffff7fffc7800000'],
  },
}

describe.each(Object.entries(KERNELS))('a kernel of %s', (_, { vmcoreinfo, ...options }) => {
  const check = (
    built: SyntheticOptions,
    memoryOf = (memory: ReturnType<typeof syntheticKernel>['memory']) => memory,
  ) => {
    const { memory, dtb, symbols, release } = syntheticKernel(built)
    const found = findLinux(memoryOf(memory))
    expect(found?.kernel).toMatchObject({
      paging: { name: built.mode.name },
      architecture: built.mode.architecture,
      dtb,
      kernelBase: built.imageVa,
      banner: SYNTHETIC_BANNER,
      release,
    })
    expect(found?.kernel.symbols.size).toBe(symbols.length)
    expect([...found!.kernel.symbols.entries()]).toEqual(symbols)
  }

  it('is found through VMCOREINFO', () => check({ ...options, vmcoreinfo }))
  it('is found through symbols that name its tables', () => check({ ...options, named: true }))
  it('is found through the structure of its tables when symbols name functions only', () => check(options))

  it('is found with tables that tell addresses by their distance from themselves', () => {
    if (options.mode.vaBits === 32) return
    check({ ...options, named: true, addressing: 'self-relative' })
  })

  it('tells where memory starts when the image does not', () => {
    const { memory, dtb } = syntheticKernel({ ...options, vmcoreinfo })
    const start = memory.runs[0]!.gpa
    const moved = rebased(memory, -start)
    expect(findLinux(moved, { openBase: true })?.record().base).toBe(start)
    const unnamed = syntheticKernel(options)
    const found = findLinux(rebased(unnamed.memory, -start), { openBase: true })
    expect(found?.record()).toMatchObject({ base: start, dtb })
    if (start !== 0) expect(findLinux(moved)).toBeUndefined()
  })
})
