/** A Windows guest in a core of QEMU's, whose notes have the processor's registers: what a running guest's would be. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { hex } from '../../../src/index.js'
import { parseLines, runCli } from '../../cli/run-cli.js'
import { writeElf } from '../../images/elf.js'
import { qemuState } from '../../images/notes.js'
import { buildWindowsGuest, type WindowsGuest } from '../../images/windows/guest.js'
import { GuestFiles, withGuest } from './guests.js'

const files = new GuestFiles()
afterAll(() => files[Symbol.dispose]())

function coreOf({ name, memory, truth }: WindowsGuest): string {
  const {
    cr0 = 0n,
    cr3 = 0n,
    cr4 = 0n,
    rip,
    eip,
    idt_base = 0n,
    gs_base = 0n,
    fs_base = 0n,
  } = truth.registers
  const wide = truth.machine === 'x64'
  const notes = qemuState({
    general: [...new Array<bigint>(16).fill(0n), rip ?? eip ?? 0n, 0x202n],
    bases: [0n, 0n, 0n, fs_base, gs_base, 0n, 0n, 0n, 0n, idt_base],
    cr: [cr0, 0n, 0n, cr3, cr4],
  })
  const path = join(files.folder, `${name}.elf`)
  writeFileSync(path, writeElf(memory.contents(), { bits: wide ? 64 : 32, machine: wide ? 62 : 3, notes }))
  return path
}

describe.each(['10-19041-x64', '7-sp1-x86', 'xp-sp2-x86', '2003-sp1-x86'] as const)('%s in a core', name => {
  const guest = buildWindowsGuest(name, { withoutLowStub: true })
  const path = coreOf(guest)

  it('is found by its registers', async () => {
    await withGuest(path, ({ kernel }) => {
      expect(kernel.foundBy[0]).toMatchObject({ way: 'registers', agrees: true })
      expect(kernel.kernelBase).toBe(guest.truth.kernelBase)
      expect(kernel.dtb).toBe(guest.truth.dtb)
      expect(kernel.foundBy.filter(({ agrees }) => !agrees)).toEqual([])
    })
  })
})

it('the command line lists its processes, and its registers', { timeout: 120_000 }, async () => {
  const guest = buildWindowsGuest('10-19041-x64', { withoutLowStub: true })
  const path = coreOf(guest)
  const [ps, regs] = await Promise.all([runCli('ps', path, '--json'), runCli('regs', path, '--json')])
  expect([ps.code, ps.stderr]).toEqual([0, ''])
  expect(parseLines(ps.stdout).map(({ pid }) => pid)).toEqual(
    guest.truth.processes.filter(({ listed }) => listed).map(({ pid }) => pid),
  )
  expect(parseLines(regs.stdout)[0]).toMatchObject({ cr3: hex(guest.truth.registers['cr3'] ?? 0n) })
})
