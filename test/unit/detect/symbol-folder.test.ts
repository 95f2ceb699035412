import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { DetectionCache } from '../../../src/coordinator/detection-cache.js'
import { openGuest } from '../../../src/coordinator/guest.js'
import { openTarget } from '../../../src/coordinator/target.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { type SyntheticOptions, syntheticKernel } from '../../images/synthetic-kernel.js'

const X86: SyntheticOptions = {
  mode: pagingMode('x86_64'),
  imageGpa: 0x120_0000,
  imageVa: 0xffff_ffff_a100_0000n,
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmsift-folder-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

it('finds a kernel without symbols by the file in a folder that its banner names', async () => {
  const { memory, release } = syntheticKernel({ ...X86, stripped: true })
  const { symbols } = syntheticKernel({ ...X86, named: true })
  const image = join(folder, 'image.raw')
  const fd = openSync(image, 'w')
  const { length } = memory.runs[0]!
  for (let at = 0; at < length; at += 4096)
    if (memory.spanAt(at, 1).kind === 'data') writeSync(fd, memory.window(at, 4096).bytes, 0, 4096, at)
  ftruncateSync(fd, length)
  closeSync(fd)
  mkdirSync(join(folder, 'maps'))
  const map = symbols.map(s => `${(s.address - 0x2000_0000n).toString(16)} ${s.type} ${s.name}\n`).join('')
  writeFileSync(join(folder, 'maps', 'System.map-1.2.3'), map)
  writeFileSync(join(folder, 'maps', `System.map-${release}`), map)
  const cache = new DetectionCache(join(folder, 'cache'))
  for (const cached of [false, true]) {
    using target = await openTarget(image)
    using guest = await openGuest(target, { symbols: join(folder, 'maps'), cache })
    expect(guest?.cached).toBe(cached)
    expect(guest?.kernel).toMatchObject({ release, kernelBase: X86.imageVa })
    expect(guest?.kernel.symbols.addressOf('schedule')).toBe(X86.imageVa + 0x1000n)
  }
  using target = await openTarget(image)
  expect(await openGuest(target, { cache: new DetectionCache(undefined) })).toBeUndefined()
})
