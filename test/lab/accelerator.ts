/** KVM or TCG: KVM only where a quick probe guest boots, for a /dev/kvm that opens may still not run a kernel. */
import { constants } from 'node:fs'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labCache } from './debian.js'
import { bootLabGuest } from './guest.js'
import type { Kernel } from './kernel.js'

export type Accelerator = 'kvm' | 'tcg'

const PROBE_MS = 10_000

/**
 * The accelerator to use here. `$VMSIFT_LAB_ACCEL` decides if it is set; else one probe guest a host boot, its result
 * kept in the cache.
 */
export async function chooseAccelerator(kernel: Kernel): Promise<Accelerator> {
  const wanted = process.env.VMSIFT_LAB_ACCEL
  if (wanted === 'kvm' || wanted === 'tcg') return wanted
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return 'tcg'
  }
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const known = join(labCache(), 'kvm-probe.json')
  try {
    const kept = JSON.parse(await readFile(known, 'utf8')) as { boot: string; accelerator: Accelerator }
    if (kept.boot === boot) return kept.accelerator
  } catch {
    // Not probed yet.
  }
  const accelerator = await probe(kernel)
  await writeFile(known, JSON.stringify({ boot, accelerator }))
  return accelerator
}

async function probe(kernel: Kernel): Promise<Accelerator> {
  try {
    await using _guest = await bootLabGuest({
      memoryMb: 128,
      kernel,
      accelerator: 'kvm',
      timeoutMs: PROBE_MS,
    })
    return 'kvm'
  } catch {
    // Any failure means the same: TCG always works.
    return 'tcg'
  }
}
