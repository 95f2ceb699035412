/** Symbols and modules against the guest's /proc/kallsyms and /proc/modules. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { DetectionCache } from '../../../src/coordinator/detection-cache.js'
import { openGuest } from '../../../src/coordinator/guest.js'
import { openTarget } from '../../../src/coordinator/target.js'
import { crossCheckModules } from '../../../src/os/linux/module-crosscheck.js'
import { modules } from '../../../src/os/linux/modules.js'
import { describeDump, useDump } from './dump.js'

describeDump('symbols and modules', () => {
  const dump = useDump()

  it('names the kernel as it names itself', () => {
    const { guest, truth } = dump()
    expect(guest.kernel.release).toBe(truth.release)
    expect(guest.kernel.banner.trim()).toBe(truth.version)
  })

  it('has every symbol of the kernel, in the order of /proc/kallsyms', () => {
    const told = dump()
      .kallsyms()
      .filter(line => !line.includes('['))
    const found = []
    for (const { name, address, type, module } of dump().guest.kernel.symbols.entries())
      if (module === undefined)
        found.push(`${address.toString(16).padStart(told[0]!.indexOf(' '), '0')} ${type} ${name}`)
    // what the kernel doesn't list was derived, and stands behind
    const listed = found.slice(0, told.length)
    const wrong = told.flatMap((line, i) => (line === listed[i] ? [] : [`${line} != ${listed[i]}`]))
    expect(wrong.slice(0, 10)).toEqual([])
    expect(told.length).toBeGreaterThan(20_000)
  })

  it('finds the same kernel in a bare image, without notes and registers', async ({ skip }) => {
    const { guest, dir, truth } = dump()
    if (!existsSync(join(dir, 'raw.img'))) skip('memory in two pieces has no raw dump')
    const cache = mkdtempSync(join(tmpdir(), 'vmsift-guests-'))
    using target = await openTarget(join(dir, 'raw.img'))
    using bare = await openGuest(target, { openBase: true, cache: new DetectionCache(cache) })
    rmSync(cache, { recursive: true })
    expect(bare?.kernel.release).toBe(truth.release)
    expect(bare?.kernel.dtb).toBe(guest.kernel.dtb)
    expect(bare?.kernel.kernelBase).toBe(guest.kernel.kernelBase)
    expect(bare?.kernel.paging?.name).toBe(guest.kernel.paging.name)
    expect(bare?.base).toBe(guest.kernel.architecture === 'aarch64' ? 0x4000_0000 : 0)
  })

  it('lists modules as /proc/modules does', () => {
    const { guest, truth } = dump()
    const listed = modules(guest.kernel)
    expect(listed.problems).toEqual([])
    expect(listed.items.map(({ name, size, base, state }) => ({ name, size, base, state }))).toEqual(
      truth.modules.map(({ name, size, base, state }) => ({
        name,
        size,
        base: BigInt(base),
        state: state.toLowerCase(),
      })),
    )
  })

  it('finds no module hidden', () => {
    const { items } = crossCheckModules(dump().guest.kernel)
    expect(items.filter(item => item.verdict === 'hidden')).toEqual([])
    expect(items.length).toBe(dump().truth.modules.length)
  })
})
