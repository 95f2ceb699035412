/** Writes what a guest and QEMU tell beside the guest's dump. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LabGuest } from './guest.js'
import { writePages } from './page-file.js'
import type { GuestTruth } from './truth.js'
import { toJson } from './truth-json.js'

/** Symbols worth asking QEMU for, where the guest has them. */
const SYMBOLS = ['_stext', '_text', '_etext', 'linux_banner', 'init_task', 'jiffies', 'swapper_pg_dir']
/** Places in the kernel's text, and pages of a process, to ask QEMU for. */
const SAMPLES = 16

/**
 * Stops the guest and writes `truth.json` (all but the pages, with QEMU's registers and translations), `pagemap.bin`
 * (page-file.ts) and `kallsyms.txt`.
 */
export async function saveTruth(guest: LabGuest, dir: string, withSymbols = true): Promise<GuestTruth> {
  const symbols = withSymbols ? await guest.kallsyms() : ''
  if (withSymbols) await writeFile(join(dir, 'kallsyms.txt'), `${symbols}\n`)
  const btfBytes = Number(await guest.shell('stat -c %s /sys/kernel/btf/vmlinux 2>/dev/null || echo 0'))
  const truth = await guest.pause()
  const { pages, ...told } = truth
  const qemu = {
    registers: await guest.registers(),
    translations: await guest.translate([...kernelSamples(symbols, truth), ...userSamples(truth)]),
  }
  await writeFile(join(dir, 'pagemap.bin'), writePages(pages))
  await writeFile(join(dir, 'truth.json'), toJson({ kernel: guest.kernel, btfBytes, ...told, qemu }))
  return truth
}

function kernelSamples(symbols: string, truth: GuestTruth): bigint[] {
  const addresses = new Map<string, bigint>()
  for (const line of symbols.split('\n')) {
    const [address = '0', , name = ''] = line.split(/\s/)
    if (SYMBOLS.includes(name) && !addresses.has(name)) addresses.set(name, BigInt(`0x${address}`))
  }
  const first = addresses.get('_stext')
  const last = addresses.get('_etext')
  const step = first === undefined || last === undefined ? 0n : (last - first) / BigInt(SAMPLES)
  const text =
    first === undefined || step <= 0n
      ? []
      : Array.from({ length: SAMPLES }, (_, i) => first + step * BigInt(i))
  return [...addresses.values(), ...text, ...truth.modules.map(module => module.base)]
}

/** Pages of init, of the witness (the last to have run) and of the busy process. */
function userSamples({ processes, pages, pageBytes }: GuestTruth): bigint[] {
  const wanted = processes.filter(({ name, pid }) => pid === 1 || name === 'witness' || name === 'marker')
  return wanted.flatMap(({ pid }) =>
    pages
      .filter(run => run.pid === pid)
      .slice(0, SAMPLES)
      .map(run => BigInt(run.page) * BigInt(pageBytes) + 0x10n),
  )
}
