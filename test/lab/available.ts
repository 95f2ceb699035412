/** Whether the lab can run on this machine, and if not, why. */
import { arch, platform } from 'node:os'
import { findProgram } from './command.js'
import { cachedKernel, fetchKernel } from './kernel.js'

export type LabAvailability = { readonly ok: true } | { readonly ok: false; readonly reason: string }

const PROGRAMS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  gcc: 'gcc libc6-dev',
  'apt-get': 'apt',
  'dpkg-deb': 'dpkg',
}

/**
 * Looks for the tools and makes sure that a kernel is at hand (fetching it the first time). For tests:
 * `const lab = await labAvailable()`, `describe.skipIf(!lab.ok)`.
 */
export async function labAvailable(): Promise<LabAvailability> {
  if (process.env.VMSIFT_LAB === 'off') return { ok: false, reason: 'VMSIFT_LAB=off' }
  if (platform() !== 'linux' || arch() !== 'x64')
    return { ok: false, reason: `lab guests need Linux on x86-64, this is ${platform()} on ${arch()}` }
  const missing = Object.entries(PROGRAMS).filter(([program]) => findProgram(program) === undefined)
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name).join(' ')
    return {
      ok: false,
      reason: `${missing.map(([program]) => program).join(', ')} not found (Debian packages: ${packages})`,
    }
  }
  if ((await cachedKernel()) !== undefined) return { ok: true }
  try {
    await fetchKernel()
    return { ok: true }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    return { ok: false, reason: `no guest kernel: ${text.split('\n')[0]}` }
  }
}
