import { describe, expect, it } from 'vitest'
import { findLinux } from '../../../src/os/linux/detect/find.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { parseSystemMap } from '../../../src/symbols/system-map.js'
import { type SyntheticOptions, syntheticKernel } from '../../images/synthetic-kernel.js'

const X86: SyntheticOptions = {
  mode: pagingMode('x86_64'),
  imageGpa: 0x120_0000,
  imageVa: 0xffff_ffff_a100_0000n,
}
const LATER: SyntheticOptions = { ...X86, imageGpa: 0x180_0000, imageVa: 0xffff_ffff_b200_0000n }

const registers = (cr3: number) => [{ vcpu: 0, registers: { cr3: BigInt(cr3), cr4: 0x6f0n } }]

describe('two kernels in one memory, of which one belongs to an earlier boot', () => {
  for (const named of [true, false]) {
    const first = syntheticKernel({ ...X86, named })
    const second = syntheticKernel({ ...LATER, named, memory: first.memory })
    it(`finds the one that a processor runs, its tables ${named ? 'named' : 'not named'}`, () => {
      for (const { dtb } of [first, second]) {
        const found = findLinux(first.memory, { notes: { cpus: registers(dtb) } })
        expect(found?.kernel.dtb).toBe(dtb)
      }
    })
  }

  it('finds it also where the earlier one left its VMCOREINFO', () => {
    const first = syntheticKernel({ ...X86, vmcoreinfo: ['NUMBER(phys_base)=-530579456'] })
    const vmcoreinfo = ['NUMBER(phys_base)=-809500672']
    const second = syntheticKernel({ ...LATER, vmcoreinfo, vmcoreinfoAt: 0x40_0000, memory: first.memory })
    for (const { dtb } of [first, second])
      expect(findLinux(first.memory, { notes: { cpus: registers(dtb) } })?.kernel.dtb).toBe(dtb)
  })

  it('takes any of them when no processor runs in either', () => {
    const { memory, dtb } = syntheticKernel(X86)
    expect(findLinux(memory, { notes: { cpus: registers(0x1000) } })?.kernel.dtb).toBe(dtb)
    expect(findLinux(memory, { notes: { cpus: registers(0) } })?.kernel.dtb).toBe(dtb)
  })
})

describe('a kernel without symbols in memory', () => {
  const { memory, dtb, symbols } = syntheticKernel({ ...X86, stripped: true })
  /** As it was linked: KASLR moved it by 0x20000000. */
  const linked = [...symbols, ...syntheticKernel({ ...X86, named: true }).symbols.filter(s => s.type === 'D')]
  const map = linked.map(s => `${(s.address - 0x2000_0000n).toString(16)} ${s.type} ${s.name}\n`).join('')
  const file = (text: string) => ({
    source: 'System.map',
    symbols: parseSystemMap(Buffer.from(text), { name: 'map' }),
  })

  it('is nothing by itself', () => {
    expect(findLinux(memory)).toBeUndefined()
  })

  it('is found with a System.map: its banner stands in memory, its tables tell how far it was moved', () => {
    const found = findLinux(memory, { file: file(map) })
    expect(found?.kernel).toMatchObject({ dtb, kernelBase: X86.imageVa, kaslrOffset: 0x2000_0000n })
    expect(found?.kernel.symbols.addressOf('schedule')).toBe(X86.imageVa + 0x1000n)
    expect(found?.kernel.symbols.source).toBe('System.map')
  })

  it("is not found with another kernel's", () => {
    const other = map.replace(
      /^(\S+) D linux_banner$/m,
      (_, at) => `${(BigInt(`0x${at}`) + 0x3000n).toString(16)} D linux_banner`,
    )
    expect(findLinux(memory, { file: file(other) })).toBeUndefined()
    expect(findLinux(memory, { file: file('ffffffff81000000 T _text\n') })).toBeUndefined()
  })
})
