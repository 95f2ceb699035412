/** What QEMU itself says of a stopped guest: its registers, and where virtual addresses lie. */
import type { Monitor } from '../../src/qemu/monitor.js'

export interface QemuRegisters {
  /** What `info registers` prints. */
  readonly text: string
  /** By name in lower case; x86: control registers and EFER; arm64: ttbr0_el1, ttbr1_el1, tcr_el1. */
  readonly control: Readonly<Record<string, bigint>>
  /** rip, eip or pc. */
  readonly instruction?: bigint
  /** Whether the processor was at the guest's user level. */
  readonly userMode: boolean
}

export interface QemuTranslation {
  readonly gva: bigint
  /** Absent where QEMU found no mapping with the tables that the processor has loaded. */
  readonly gpa?: number
}

/** Registers of the first processor. */
export async function readRegisters(qmp: Monitor): Promise<QemuRegisters> {
  const text = await qmp.human('info registers')
  const control: Record<string, bigint> = {}
  for (const [, name = '', value = ''] of text.matchAll(/\b(CR[0-4]|EFER)=([0-9a-f]+)/g))
    control[name.toLowerCase()] = BigInt(`0x${value}`)
  const instruction = /\b(?:RIP|EIP|PC)=([0-9a-f]+)/.exec(text)?.[1]
  return {
    text,
    control,
    ...(instruction === undefined ? {} : { instruction: BigInt(`0x${instruction}`) }),
    userMode: /\bCPL=3\b/.test(text) || /PSTATE=\S+ \S+ EL0/.test(text),
  }
}

/** QEMU's own walk of the tables that the first processor has loaded. */
export async function translations(
  qmp: Monitor,
  addresses: readonly bigint[],
): Promise<readonly QemuTranslation[]> {
  const found: QemuTranslation[] = []
  for (const gva of addresses) {
    const answer = /gpa: (?:0x)?([0-9a-f]+)/.exec(await qmp.human(`gva2gpa 0x${gva.toString(16)}`))?.[1]
    found.push(answer === undefined ? { gva } : { gva, gpa: Number.parseInt(answer, 16) })
  }
  return found
}
