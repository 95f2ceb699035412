/** A look at the address space of a false top table takes seconds: some of them used up the time in which the right one is found. */
import { expect, it } from 'vitest'
import { findWindows, findWindowsAtOnce } from '../../src/os/windows/detect/find.js'
import { seeded } from '../images/runs.js'
import { buildWindowsGuest } from '../images/windows/guest.js'

it('finds a Windows kernel among pages that look like tables', () => {
  const { memory, truth } = buildWindowsGuest('10-19041-x64', { ramBytes: 256 << 20, withoutLowStub: true })
  const next = seeded(3)
  const frames = memory.bytes / 4096
  // tables that lead to each other at random, each of them to itself as well
  const tables = Array.from({ length: 60 }, () => memory.frame())
  for (const table of tables)
    for (let at = 0; at < 4096; at += 8) {
      const to = next() % 2 === 0 ? (tables[next() % tables.length] as number) : (next() % frames) * 4096
      memory.page(table + at).writeBigUInt64LE(BigInt(at === 0x900 ? table : to) | 0x63n, at)
    }
  const kernel = (findWindowsAtOnce(memory, {}) ?? findWindows(memory, {}))?.kernel
  expect(kernel?.kernelBase).toBe(truth.kernelBase)
  expect(kernel?.dtb).toBe(truth.dtb)
})
