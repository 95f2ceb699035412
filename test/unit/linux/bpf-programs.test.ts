import { expect, test } from 'vitest'
import { bpfPrograms } from '../../../src/os/linux/bpf-programs.js'
import type { LinuxKernel } from '../../../src/os/linux/kernel.js'
import { Problems } from '../../../src/os/problem.js'
import { StructReader } from '../../../src/os/struct/reader.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { KernelMemory, symbolsOf, typesOf } from '../../images/kernel-memory.js'

const HEAD = 0xffff_ffff_8200_0000n
const at = (n: number): bigint => 0xffff_8880_0000_0000n + BigInt(n) * 0x400n

test('lists compiled programs and leaves out what ends before it starts', () => {
  const memory = new KernelMemory()
  memory.ring(HEAD, [at(1) + 528n, at(2) + 528n])
  for (const [n, end] of [
    [1, 0x2000n],
    [2, 0x500n],
  ] as const) {
    memory.pointer(at(n), 0x1000n)
    memory.pointer(at(n) + 8n, end)
    memory.text(at(n) + 16n, `bpf_prog_${n}`)
  }
  const kernel: LinuxKernel = {
    architecture: 'x86_64',
    banner: '',
    release: '',
    paging: pagingMode('x86_64'),
    dtb: 0,
    kernelBase: 0n,
    kaslrOffset: 0n,
    symbols: symbolsOf({ bpf_kallsyms: HEAD }),
    types: typesOf({
      bpf_ksym: { bytes: 576, members: { start: [0, 8], end: [8, 8], name: [16, 512], lnode: [528, 16] } },
    }),
    memory,
    derived: [],
  }
  const problems = new Problems()
  expect(bpfPrograms(kernel, new StructReader(kernel), problems)).toEqual([
    { name: 'bpf_prog_1', start: 0x1000n, end: 0x2000n },
  ])
  expect(problems.list).toEqual([])
})
