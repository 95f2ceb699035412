/** A guest of some instructions and no kernel (guest/tiny.S): for accelerators that run no stock kernel here. */
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Accelerator } from './accelerator.js'
import { type BareQemu, noBareQemu, startBareQemu } from './bare-qemu.js'
import { findProgram, runCommand } from './command.js'

/** What stands where in it. */
export const TINY = {
  text: 'vmsift-marker:tiny:64-bit;',
  textAt: 0x300000,
  counterAt: 0x8000,
  copiedFrom: 0x8010,
  copiedTo: 0x8018,
  dtb: 0x10000,
  upperHalf: 0xffff_8000_0000_0000n,
  r12: 0x1122_3344_5566_7788n,
  memoryBytes: 64 * 2 ** 20,
} as const

const SOURCE = fileURLToPath(new URL('guest/tiny.S', import.meta.url))
const COUNTS_MS = 10_000

/** Why there can be none here; undefined where there can. A KVM is believed only when the guest counts in it. */
export async function noTinyGuest(accelerator: Accelerator): Promise<string | undefined> {
  const missing = ['as', 'ld'].find(program => findProgram(program) === undefined)
  if (missing !== undefined) return `${missing} not found (Debian package: binutils)`
  const none = noBareQemu()
  if (none !== undefined || accelerator === 'tcg') return none
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return '/dev/kvm can not be opened'
  }
  try {
    await using _guest = await startTinyGuest(accelerator)
    return undefined
  } catch (error) {
    return `KVM does not run it: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`
  }
}

/** Starts it with 64 MiB in a sealed memfd or of QEMU's own, and waits until it counts. */
export async function startTinyGuest(
  accelerator: Accelerator,
  backend: 'memfd' | 'ram' = 'ram',
): Promise<BareQemu> {
  const build = await mkdtemp(join(tmpdir(), 'vmsift-tiny-'))
  try {
    const [object, firmware] = [join(build, 'tiny.o'), join(build, 'tiny.bin')]
    await runCommand('as', ['--64', '-o', object, SOURCE])
    await runCommand('ld', ['-m', 'elf_x86_64', '-Ttext', '0', '--oformat', 'binary', '-o', firmware, object])
    const share = backend === 'memfd' ? ',share=on' : ''
    const guest = await startBareQemu([
      ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=single', '-bios', firmware],
      ...['-m', '64M', '-machine', 'pc,memory-backend=ram', '-cpu', 'qemu64'],
      ...['-object', `memory-backend-${backend},id=ram,size=64M${share}`],
    ])
    const until = performance.now() + COUNTS_MS
    while (!/: 0x0*[1-9a-f]/.test(await guest.monitor.human(`xp /1gx ${TINY.counterAt}`))) {
      if (performance.now() < until) continue
      await guest[Symbol.asyncDispose]()
      throw new Error('the guest does not count')
    }
    return guest
  } finally {
    await rm(build, { recursive: true, force: true })
  }
}
