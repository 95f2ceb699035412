/** `vmsift regs`: the processors' registers, of a running guest or out of a dump. */
import type { Command } from 'commander'
import { VmsiftError } from '../core/errors.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { withControl } from './live-options.js'
import { parseCount, parseVirtualAddress } from './numbers.js'
import { outputFor } from './output.js'
import { type Registers, registerFields, registerLines } from './register-table.js'
import { line } from './scan-json.js'
import { addTargetOptions, openOptions, type TargetOptions } from './targets.js'
import { tell } from './tell.js'

interface RegsOptions extends TargetOptions {
  readonly vcpu?: string
  readonly set: readonly string[]
  readonly allowWrite?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

const MAX_VCPU = 8191

const HELP = `
A running guest stands still for the few milliseconds that this takes. A register that nothing tells is absent. Those of
aarch64's system (ttbr0_el1, ...) come from QEMU's gdbstub: they are absent while a debugger is connected to it, or where it
can't be started.
Dumps have registers where they carry notes of the processors: ELF and kdump. A crash dump of Windows has those of the
processor that wrote it; of several, it does not tell which (vcpu null).

Examples:
  vmsift regs qemu:web
  vmsift regs qemu:web --vcpu 1 --json
  vmsift regs qemu:web --set rax=0 --allow-write
  vmsift regs memory.elf`

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  addTargetOptions(command)
    .description("Print the processors' registers.")
    .option('--vcpu <n>', 'only this processor, counted from 0')
    .option(
      '--set <name=value>',
      'write a register of a running guest first (of --vcpu, default 0), repeatable',
      (word: string, all: readonly string[]) => [...all, word],
      [] as readonly string[],
    )
    .option('--allow-write', 'allow --set to change the guest')
    .option('--json', 'one JSON object a line')
    .option('-q, --quiet', 'no warnings')
    .addHelpText('after', HELP)
    .action((target: string, options: RegsOptions) => run(() => regsCommand(target, options)))
}

async function regsCommand(target: string, options: RegsOptions): Promise<number> {
  const vcpu = options.vcpu === undefined ? undefined : parseCount(options.vcpu, '--vcpu', 0, MAX_VCPU)
  const values = parseValues(options)
  const { liveWord } = await import('../coordinator/live-word.js')
  if (liveWord(target) !== undefined)
    return withControl(target, async control => {
      if (values !== undefined) await control.writeRegisters(vcpu ?? 0, values)
      return print(await control.registers(vcpu), options)
    })
  if (values !== undefined)
    throw new VmsiftError('bad-argument', `${target} is a snapshot: snapshots are never written`)
  return print(await dumpRegisters(target, vcpu, options), options)
}

function parseValues({ set, allowWrite }: RegsOptions): Record<string, bigint> | undefined {
  if (set.length === 0) return undefined
  if (allowWrite !== true)
    throw new VmsiftError('bad-argument', '--set changes the guest: give --allow-write as well')
  const values: Record<string, bigint> = {}
  for (const word of set) {
    const [, name, value] = /^(\w+)=(.+)$/.exec(word) ?? []
    if (name === undefined || value === undefined)
      throw new VmsiftError('bad-argument', `--set is not NAME=VALUE: '${word}'; write --set rax=0x10`)
    values[name.toLowerCase()] = parseVirtualAddress(value, `the value of ${name}`)
  }
  return values
}

async function dumpRegisters(
  path: string,
  vcpu: number | undefined,
  options: RegsOptions,
): Promise<readonly Registers[]> {
  const { openTarget } = await import('../coordinator/target.js')
  using target = await openTarget(path, openOptions(path, options))
  if (options.quiet !== true) target.warnings.forEach(tell)
  const { cpus, windows } = target.notes
  if (cpus.length === 0 && windows?.context !== undefined && vcpu === undefined)
    return [{ vcpu: null, registers: windows.context }]
  if (cpus.length === 0 && windows?.context !== undefined)
    throw new VmsiftError(
      'not-supported',
      `${path} has the registers of one of ${windows.processors} processors, and does not tell of which; leave --vcpu out`,
    )
  if (cpus.length === 0)
    throw new VmsiftError(
      'not-supported',
      `${path} carries no notes of processors (${target.format}); ELF and kdump files do`,
    )
  if (vcpu === undefined) return cpus
  const found = cpus.filter(cpu => cpu.vcpu === vcpu)
  if (found.length > 0) return found
  throw new VmsiftError(
    'out-of-range',
    `there is no vcpu ${vcpu}: ${path} has ${cpus.length}, counted from 0`,
  )
}

async function print(cpus: readonly Registers[], options: RegsOptions): Promise<number> {
  const output = outputFor(undefined)
  for (const cpu of cpus) {
    if (options.json === true) await output.write(line({ vcpu: cpu.vcpu, ...registerFields(cpu.registers) }))
    else for (const text of registerLines(cpu)) await output.write(text)
  }
  await output.end()
  return EXIT.done
}
