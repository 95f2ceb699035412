/** What QEMU's `info registers` prints (QEMU target/i386/cpu-dump.c, target/arm/cpu.c), by the names that dumps' notes use too. */

import type { CpuState } from '../core/cpu-state.js'

const MAX_VCPUS = 8192

/** Reads the registers of every vCPU in the text. Names that are not known here are left out. */
export function parseInfoRegisters(text: string): CpuState[] {
  const cpus: CpuState[] = []
  const heads = [...text.matchAll(/^[ \t]*CPU#(\d{1,5})[ \t]*$/gm)].slice(0, MAX_VCPUS)
  if (heads.length === 0) {
    const registers = parseOne(text)
    return Object.keys(registers).length === 0 ? [] : [{ vcpu: 0, registers }]
  }
  heads.forEach((head, at) => {
    const part = text.slice(head.index + head[0].length, heads[at + 1]?.index)
    cpus.push({ vcpu: Number(head[1]), registers: parseOne(part) })
  })
  return cpus
}

function parseOne(text: string): Record<string, bigint> {
  return /^[ \t]*PC=[0-9a-f]+ +X00=/m.test(text) ? parseAarch64(text) : parseX86(text)
}

const X86_GENERAL =
  /(?<!\w)([RE](?:[ABCD]X|[SD]I|[SB]P|IP|FL)|R(?:8|9|1[0-5])|CR[0-48]|DR[0-7]|EFER)\s?=([0-9a-f]{8,16})(?![0-9a-f])/g
const X86_SEGMENT =
  /^(ES|CS|SS|DS|FS|GS|LDT|TR) ?=([0-9a-f]{4}) ([0-9a-f]{8,16}) ([0-9a-f]{8}) ([0-9a-f]{8})/gm
const X86_TABLE = /^(GDT|IDT)= +([0-9a-f]{8,16}) ([0-9a-f]{8})/gm

function parseX86(text: string): Record<string, bigint> {
  const registers: Record<string, bigint> = {}
  for (const [, name = '', value] of text.matchAll(X86_GENERAL))
    registers[name.toLowerCase().replace(/^([re])fl$/, '$1flags')] = BigInt(`0x${value}`)
  for (const [, name = '', selector, base, limit, flags] of text.matchAll(X86_SEGMENT)) {
    const segment = name.toLowerCase()
    registers[segment] = BigInt(`0x${selector}`)
    registers[`${segment}_base`] = BigInt(`0x${base}`)
    registers[`${segment}_limit`] = BigInt(`0x${limit}`)
    registers[`${segment}_flags`] = BigInt(`0x${flags}`)
  }
  for (const [, name = '', base, limit] of text.matchAll(X86_TABLE)) {
    const table = name.toLowerCase()
    registers[`${table}_base`] = BigInt(`0x${base}`)
    registers[`${table}_limit`] = BigInt(`0x${limit}`)
  }
  return registers
}

function parseAarch64(text: string): Record<string, bigint> {
  const registers: Record<string, bigint> = {}
  for (const [, name = '', value] of text.matchAll(/(?<!\w)(PC|SP|X[0-3]\d)=([0-9a-f]{16})(?![0-9a-f])/g))
    registers[name.toLowerCase().replace(/^x0/, 'x')] = BigInt(`0x${value}`)
  const pstate = /(?<!\w)PSTATE=([0-9a-f]{8})(?![0-9a-f])/.exec(text)?.[1]
  if (pstate !== undefined) registers['pstate'] = BigInt(`0x${pstate}`)
  return registers
}
