import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTarget, type Target } from '../../../src/coordinator/target.js'
import { OverlayMemory } from '../../../src/drivers/overlay-memory.js'
import { findLinux } from '../../../src/os/linux/detect/find.js'
import { imageRanges } from '../../../src/os/linux/detect/from-registers.js'
import { sweep } from '../../../src/os/search/sweep.js'

const IMAGE = fileURLToPath(new URL('../../../examples/guest.kdump', import.meta.url))

/** What the guest printed of itself when the image was made. */
const KERNEL = {
  release: '6.1.0-56-cloud-amd64',
  architecture: 'x86_64',
  kernelBase: 0xffff_ffff_9f20_0000n,
  kaslrOffset: 0x1e20_0000n,
  derived: [],
}

describe("finding the demo image's kernel", () => {
  let target: Target
  beforeAll(async () => {
    target = await openTarget(IMAGE)
  })
  afterAll(() => target[Symbol.dispose]())

  it('works with its notes', () => {
    const found = findLinux(target.memory, { notes: target.notes, architecture: target.architecture })
    expect(found?.kernel).toMatchObject(KERNEL)
  })

  it('works without notes, through VMCOREINFO in memory', () => {
    const kernel = findLinux(target.memory)?.kernel
    expect(kernel).toMatchObject(KERNEL)
    expect(kernel?.banner).toMatch(
      /^Linux version 6\.1\.0-56-cloud-amd64 \(debian-kernel@.* 2\.40\) #1 SMP .*Debian 6\.1/,
    )
    expect(kernel?.types.member('task_struct', 'pid')?.bytes).toBe(4)
    expect(kernel?.symbols.addressOf('_text')).toBe(KERNEL.kernelBase)
  })

  it('works without VMCOREINFO', () => {
    const memory = withoutVmcoreinfo(target)
    const found = findLinux(memory)
    expect(found?.kernel).toMatchObject(KERNEL)
    expect(found?.record().dtb).toBe(findLinux(target.memory)?.record().dtb)
  })

  it('works with registers alone, which tell where the image lies', () => {
    const { cpus } = target.notes
    const [near] = imageRanges(target.memory, cpus)
    const found = findLinux(withoutVmcoreinfo(target), { notes: { cpus } })
    expect(found?.kernel).toMatchObject(KERNEL)
    const { shift } = found!.record()
    const image = Number(KERNEL.kernelBase - shift)
    expect(near!.gpa).toBeLessThanOrEqual(image)
    expect(near!.gpa + near!.length).toBeGreaterThan(image)
  })
})

/** The same memory with every copy of the text made unrecognisable. */
function withoutVmcoreinfo(target: Target): OverlayMemory {
  const memory = new OverlayMemory(target.memory)
  const hits: number[] = []
  sweep(
    target.memory,
    (bytes, gpa) => {
      for (let at = bytes.indexOf('OSRELEASE='); at >= 0; at = bytes.indexOf('OSRELEASE=', at + 1))
        hits.push(gpa + at)
      return false
    },
    { overlap: 16 },
  )
  expect(hits.length).toBeGreaterThan(1)
  for (const gpa of hits) memory.write(gpa, Buffer.alloc(10))
  return memory
}
