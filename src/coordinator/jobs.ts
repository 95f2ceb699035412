/** How many workers this process may keep busy. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/**
 * Processors by affinity (sched_getaffinity, through Node) and by the CPU quota of the process's control group,
 * version 1 or 2; at least 1. Node's own count knows quotas only from libuv 1.49 on.
 */
export function defaultJobs(root = '/sys/fs/cgroup', self = '/proc/self/cgroup'): number {
  const quota = cgroupQuota(root, self)
  return Math.max(1, Math.min(availableParallelism(), quota === undefined ? Infinity : Math.ceil(quota)))
}

/** The tightest quota from the process's own group up to the root, in processors. */
function cgroupQuota(root: string, self: string): number | undefined {
  const groups = (text(self) ?? '').split('\n').map(line => line.split(':'))
  const quotas: number[] = []
  for (const [, controllers = '', path = '/'] of groups) {
    const unified = controllers === ''
    if (!unified && !controllers.split(',').includes('cpu')) continue
    for (const folder of parents(path)) {
      const quota = unified ? quotaV2(`${root}${folder}`) : quotaV1(`${root}/cpu${folder}`)
      if (quota !== undefined) quotas.push(quota)
    }
  }
  return quotas.length === 0 ? undefined : Math.min(...quotas)
}

/** `/a/b` -> `/a/b`, `/a`, and the root: inside a container the root is the container's own group. */
function parents(path: string): string[] {
  const parts = path.split('/').filter(part => part !== '' && part !== '..')
  return [...parts.map((_, at) => `/${parts.slice(0, at + 1).join('/')}`), '']
}

function quotaV2(folder: string): number | undefined {
  const [quota, period] = (text(`${folder}/cpu.max`) ?? '').trim().split(' ').map(Number)
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : undefined
}

function quotaV1(folder: string): number | undefined {
  const quota = Number(text(`${folder}/cpu.cfs_quota_us`) ?? -1)
  const period = Number(text(`${folder}/cpu.cfs_period_us`) ?? 0)
  return quota > 0 && period > 0 ? quota / period : undefined
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // not there: no such control group
  }
}
