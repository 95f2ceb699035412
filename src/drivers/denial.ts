/** Why the kernel doesn't let a process's memory be read (ptrace(2), "Ptrace access mode checking"), and what to do. */
import { readFileSync, statSync } from 'node:fs'
import { tolerant } from '../core/tolerant.js'
import type { CopyFailure } from '../ffi/process-vm.js'

/** One line for a person. */
export function denialAdvice(pid: number, failure: CopyFailure): string {
  if (failure === 'gone') return `QEMU (process ${pid}) has ended`
  if (failure === 'absent') return `QEMU (process ${pid}) has no memory where its monitor says the guest's is`
  const what = `not allowed to read the memory of QEMU (process ${pid})`
  const owner = tolerant(() => statSync(`/proc/${pid}`).uid)
  const own = process.getuid?.()
  if (owner !== undefined && own !== undefined && owner !== own && own !== 0)
    return `${what}: it runs as user ${owner}; run vmsift as that user, as root, or with the capability CAP_SYS_PTRACE`
  const scope = tolerant(() => readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'utf8').trim())
  if (scope === '1' || scope === '2')
    return `${what}: kernel.yama.ptrace_scope is ${scope}; run vmsift as root or with CAP_SYS_PTRACE, or set it to 0 (sysctl kernel.yama.ptrace_scope=0)`
  if (scope === '3') return `${what}: kernel.yama.ptrace_scope is 3, which lasts until the next boot`
  return `${what}: run vmsift as root or with CAP_SYS_PTRACE, and in the same user namespace; a container may need --cap-add SYS_PTRACE`
}
