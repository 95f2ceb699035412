import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTarget } from '../../src/coordinator/target.js'
import { writeCrashDump } from '../images/crashdump.js'
import { runCli } from './run-cli.js'

const DUMP = 'examples/guest.kdump'

describe('vmsift regs of a snapshot', () => {
  it('prints the registers that its notes carry, as hexadecimal strings', async () => {
    using target = await openTarget(DUMP)
    const { code, stdout } = await runCli('regs', DUMP, '--json')
    expect(code).toBe(0)
    const [cpu, ...more] = stdout
      .trim()
      .split('\n')
      .map(each => JSON.parse(each) as Record<string, unknown>)
    expect(more).toEqual([])
    const { registers } = target.notes.cpus[0]!
    expect(cpu).toEqual({
      vcpu: 0,
      ...Object.fromEntries(
        Object.entries(registers).map(([name, value]) => [name, `0x${value.toString(16)}`]),
      ),
    })
    expect(Object.keys(cpu!).slice(0, 3)).toEqual(['vcpu', 'rip', 'rsp'])
    // QEMU's note does not tell it: absent, not zero
    expect(cpu).not.toHaveProperty('efer')
  })

  it('prints a table for a person', async () => {
    const { stdout } = await runCli('regs', DUMP)
    expect(stdout).toMatch(/^vcpu 0\n {2}rip +0x[0-9a-f]+ +rsp +0x/)
    expect(stdout).toMatch(/^ {2}gs +0x0 +gs_base +0x[0-9a-f]+ +gs_limit +0x0 +gs_flags +0x0$/m)
  })

  it('prints those of the processor that wrote a crash dump, though not which it is', async () => {
    const context = Buffer.alloc(0x100)
    context.writeUInt32LE(0x10_0003, 0x30)
    context.writeBigUInt64LE(0xffff_f804_8b58_334cn, 0xf8)
    const path = join(mkdtempSync(join(tmpdir(), 'vmsift-regs-')), 'memory.dmp')
    const runs = [{ gpa: 0, bytes: Buffer.alloc(4096, 1) }]
    writeFileSync(path, writeCrashDump(runs, { header: { context, processors: 4 } }))
    const { code, stdout } = await runCli('regs', path, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ vcpu: null, rip: '0xfffff8048b58334c' })
    expect((await runCli('regs', path)).stdout).toMatch(/^the processor that wrote the dump\n {2}rip/)
    const one = await runCli('regs', path, '--vcpu', '0')
    expect([one.code, one.stderr.trim().split('\n')]).toEqual([
      2,
      [expect.stringContaining('does not tell of which')],
    ])
    rmSync(dirname(path), { recursive: true })
  })

  for (const [what, words] of Object.entries({
    'a processor that there is not': ['--vcpu', '7'],
    'a write': ['--set', 'rax=1', '--allow-write'],
    'a write that is not allowed': ['--set', 'rax=1'],
    'a value that is none': ['--set', 'rax', '--allow-write'],
  }))
    it(`refuses ${what} in one line`, async () => {
      const { code, stdout, stderr } = await runCli('regs', DUMP, ...words)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr.trim().split('\n')).toHaveLength(1)
    })
})
