import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defaultJobs } from '../../../src/coordinator/jobs.js'

function fakeGroups(files: Record<string, string>, self: string): number {
  const root = mkdtempSync(join(tmpdir(), 'vmsift-cgroup-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  writeFileSync(join(root, 'self'), self)
  return defaultJobs(root, join(root, 'self'))
}

describe('defaultJobs', () => {
  it('follows affinity where no quota is set', () => {
    expect(fakeGroups({ 'a/cpu.max': 'max 100000\n' }, '0::/a\n')).toBe(availableParallelism())
  })

  it('follows a version 2 quota of the group or of any group above it', () => {
    expect(fakeGroups({ 'a/cpu.max': '50000 100000\n' }, '0::/a/b\n')).toBe(1)
    expect(fakeGroups({ 'cpu.max': '100000 100000\n' }, '0::/\n')).toBe(1)
  })

  it('follows a version 1 quota', () => {
    const files = { 'cpu/a/cpu.cfs_quota_us': '100000\n', 'cpu/a/cpu.cfs_period_us': '100000\n' }
    expect(fakeGroups(files, '3:cpu,cpuacct:/a\n')).toBe(1)
  })

  it('ignores a group that can not be read', () => {
    expect(fakeGroups({}, '0::/gone\n')).toBe(availableParallelism())
  })
})
