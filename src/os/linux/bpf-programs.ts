/** Compiled BPF programs and trampolines, as the kernel lists them for kallsyms (`bpf_ksym` of include/linux/bpf.h). */

import type { Problems } from '../problem.js'
import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import { walkList } from '../walk/list.js'
import type { LinuxKernel } from './kernel.js'

/** A stretch of compiled code. */
export interface BpfCode {
  /** As kallsyms prints it: `bpf_prog_6deef7357e7b4530_sd_fw_egress`. */
  readonly name: string
  readonly start: bigint
  /** Exclusive. */
  readonly end: bigint
}

const BPF_SYMBOL = structSpec('bpf_ksym', { start: 'start', end: 'end', name: 'name', node: 'lnode' })

const MAX_PROGRAMS = 2 ** 16

/** The code of `bpf_kallsyms`; empty where the kernel has no such list or its types don't tell. */
export function bpfPrograms(kernel: LinuxKernel, reader: StructReader, problems: Problems): BpfCode[] {
  const head = kernel.symbols.addressOf('bpf_kallsyms')
  const offset = reader.layout(BPF_SYMBOL).offset('node')
  if (head === undefined || offset === undefined) return []
  const programs: BpfCode[] = []
  for (const node of walkList(reader, head, problems, { what: 'BPF programs', max: MAX_PROGRAMS })) {
    const symbol = reader.record(BPF_SYMBOL, node - BigInt(offset))
    const start = symbol?.bigint('start')
    const end = symbol?.bigint('end')
    if (start === undefined || end === undefined || end <= start) continue
    programs.push({ name: symbol?.text('name') ?? '', start, end })
  }
  return programs
}
