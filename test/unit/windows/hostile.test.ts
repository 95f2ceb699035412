import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openWindowsSpace } from '../../../src/coordinator/guest.js'
import { detectGuest } from '../../../src/os/detect.js'
import type { DetectedWindows } from '../../../src/os/detected.js'
import { crossCheckWindowsProcesses } from '../../../src/os/windows/crosscheck.js'
import { windowsHandles } from '../../../src/os/windows/handles.js'
import { windowsMaps } from '../../../src/os/windows/maps.js'
import { windowsModules } from '../../../src/os/windows/modules.js'
import { windowsProcesses } from '../../../src/os/windows/processes.js'
import { windowsThreads } from '../../../src/os/windows/threads.js'
import { buildWindowsGuest, type WindowsGuest } from '../../images/windows/guest.js'

function kernelOf(guest: WindowsGuest): DetectedWindows['kernel'] {
  const found = detectGuest(guest.memory)
  if (found?.family !== 'windows') throw new Error('no Windows guest was recognised')
  return found.kernel
}

/** Everything that can be listed, of what is left of a guest. */
function listAll(guest: WindowsGuest, kernel: DetectedWindows['kernel']): void {
  const open = (dtb: number) => openWindowsSpace(guest.memory, kernel, dtb)
  windowsModules(kernel)
  for (const { address } of windowsProcesses(kernel, open).items) {
    windowsMaps(kernel, address)
    windowsHandles(kernel, address)
    windowsThreads(kernel, address)
  }
  crossCheckWindowsProcesses(kernel, guest.memory, open(kernel.dtb), open)
}

/** Overwrites what a kernel address leads to. */
function patch(guest: WindowsGuest, kernel: DetectedWindows['kernel'], va: bigint, value: bigint): void {
  const place = openWindowsSpace(guest.memory, kernel, kernel.dtb).translate(va)
  if (place.kind !== 'mapped') throw new Error(`nothing at ${va.toString(16)}`)
  const page = guest.memory.page(place.gpa - (place.gpa % 4096))
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  page.set(bytes.subarray(0, kernel.memory.pointerBytes), place.gpa % 4096)
}

describe('a hostile Windows guest', () => {
  it('may link its list of processes into a loop, and past it', () => {
    const guest = buildWindowsGuest('10-19041-x64')
    const kernel = kernelOf(guest)
    const links = BigInt(kernel.types.member('_EPROCESS', 'ActiveProcessLinks')?.offset ?? 0)
    const [, second, third, fourth] = guest.truth.processes.filter(({ listed }) => listed)
    patch(guest, kernel, (fourth?.address ?? 0n) + links, (second?.address ?? 0n) + links)
    const { items, problems } = windowsProcesses(kernel, undefined)
    expect(problems.map(({ kind }) => kind)).toContain('loop')
    // the rest is reached from the other end
    expect(items).toHaveLength(guest.truth.processes.filter(({ listed }) => listed).length)
    patch(guest, kernel, (third?.address ?? 0n) + links, 0x1234n)
    expect(windowsProcesses(kernel, undefined).problems.map(({ kind }) => kind)).toContain('broken')
  })

  it('may make its tree of mappings a cycle', () => {
    const guest = buildWindowsGuest('10-19041-x64')
    const kernel = kernelOf(guest)
    const notepad = guest.truth.processes.find(({ name }) => name === 'notepad.exe')
    const before = windowsMaps(kernel, notepad?.address ?? 0n)
    const [first, second] = before.items
    // left of the first leads to the second, right of the second back
    patch(guest, kernel, first?.address ?? 0n, second?.address ?? 0n)
    patch(guest, kernel, (second?.address ?? 0n) + 8n, first?.address ?? 0n)
    const { problems } = windowsMaps(kernel, notepad?.address ?? 0n)
    expect(problems.map(({ kind }) => kind)).toContain('loop')
  })

  it('may say that its handles stand in a table of itself', () => {
    const guest = buildWindowsGuest('7-sp1-x64')
    const kernel = kernelOf(guest)
    const notepad = guest.truth.processes.find(({ name }) => name === 'notepad.exe')
    const at = BigInt(kernel.types.member('_EPROCESS', 'ObjectTable')?.offset ?? 0)
    const table = kernel.memory.read((notepad?.address ?? 0n) + at, 8).bytes
    const address = Buffer.from(table).readBigUInt64LE(0)
    const page = address - (address % 4096n)
    patch(guest, kernel, address, page | 2n)
    patch(guest, kernel, page, page)
    expect(() => windowsHandles(kernel, notepad?.address ?? 0n)).not.toThrow()
    patch(guest, kernel, address, page | 3n)
    expect(windowsHandles(kernel, notepad?.address ?? 0n).problems[0]?.kind).toBe('broken')
  })

  it('may lie in the headers and exports of its kernel', () => {
    for (const [offset, value] of [
      [0x3c, 0xffff_fff0n],
      [0x3c, 0x40n],
    ] as const) {
      const guest = buildWindowsGuest('10-19041-x64')
      const kernel = kernelOf(guest)
      patch(guest, kernel, guest.truth.kernelBase + BigInt(offset), value)
      expect(() => detectGuest(guest.memory)).not.toThrow()
    }
    const guest = buildWindowsGuest('10-19041-x64')
    const kernel = kernelOf(guest)
    const table = guest.truth.places.exportTable
    // counts of functions and names, then where they are
    for (let word = 0n; word < 5n; word++) {
      patch(guest, kernel, table + 20n + word * 4n, 0xffff_ffff_ffff_fff0n)
      expect(() => detectGuest(guest.memory)).not.toThrow()
    }
  })

  it('never makes a list throw or hang, whichever words of the kernel it overwrites', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('xp-sp2-x86' as const, '10-19041-x64' as const),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })), {
          minLength: 1,
          maxLength: 12,
        }),
        (name, changes) => {
          const guest = buildWindowsGuest(name)
          const kernel = kernelOf(guest)
          const targets = guest.truth.processes.map(({ address }) => address)
          for (const [which, where, value] of changes) {
            const base = targets[which % targets.length] ?? 0n
            // half of the values are pointers to where something stands
            const pointer = targets[Number(value % BigInt(targets.length))] ?? 0n
            patch(guest, kernel, base + BigInt((where % 0x200) * 4), value % 2n === 0n ? value : pointer)
          }
          const started = performance.now()
          listAll(guest, kernel)
          const again = detectGuest(guest.memory)
          if (again?.family === 'windows') listAll(guest, again.kernel)
          expect(performance.now() - started).toBeLessThan(20_000)
        },
      ),
      { numRuns: 4 },
    )
  }, 120_000)
})
