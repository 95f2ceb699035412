import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DetectionCache } from '../../../src/coordinator/detection-cache.js'
import { openTargetAtGuestBase } from '../../../src/coordinator/guest-base.js'
import { aarch64Mode, pagingMode } from '../../../src/paging/modes.js'
import { type SyntheticOptions, syntheticKernel } from '../../images/synthetic-kernel.js'

const ARM: SyntheticOptions = {
  mode: aarch64Mode({ granule: 4096, vaBits: 48 }),
  ramStart: 0x4000_0000,
  imageGpa: 0x4100_0000,
  imageVa: 0xffff_8000_0880_0000n,
}
const X86: SyntheticOptions = {
  mode: pagingMode('x86_64'),
  imageGpa: 0x120_0000,
  imageVa: 0xffff_ffff_a100_0000n,
}

describe('opening a raw image at the base its guest tells', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vmsift-base-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** A raw file of the kernel's memory, with arm64 code in it if asked for. */
  const rawFile = (name: string, options: SyntheticOptions, code: boolean): string => {
    const { memory } = syntheticKernel(options)
    const { gpa: start, length } = memory.runs[0]!
    const ret = Buffer.from([0xc0, 0x03, 0x5f, 0xd6])
    if (code) for (let at = 0; at < 2 << 20; at += 64) memory.write(start + (20 << 20) + at, ret)
    const path = join(folder, name)
    const fd = openSync(path, 'w')
    for (let at = 0; at < length; at += 4096)
      if (memory.spanAt(start + at, 1).kind === 'data')
        writeSync(fd, memory.window(start + at, 4096).bytes, 0, 4096, at)
    ftruncateSync(fd, length)
    closeSync(fd)
    return path
  }
  const startOf = async (path: string, base?: number) => {
    const cache = new DetectionCache(undefined)
    using target = await openTargetAtGuestBase(path, { cache, ...(base !== undefined && { base }) })
    return target.runs[0]!.gpa
  }

  it('finds the base of an arm64 guest', async () => {
    expect(await startOf(rawFile('arm', ARM, true))).toBe(0x4000_0000)
  })

  it("takes the person's word before the guest's", async () => {
    expect(await startOf(rawFile('given', ARM, true), 0)).toBe(0)
    expect(await startOf(join(folder, 'given'), 0x1000)).toBe(0x1000)
  })

  it('leaves an x86 guest, and memory of nobody, at 0', async () => {
    expect(await startOf(rawFile('x86', X86, true))).toBe(0)
    expect(await startOf(rawFile('plain', X86, false))).toBe(0)
  })
})
