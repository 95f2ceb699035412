/** Guests that lie: every list ends, in time, with what could be read and a reason. */
import { afterAll, describe, expect, it } from 'vitest'
import {
  type WindowsGuest as OpenedGuest,
  openTarget,
  openWindowsGuest,
  VmsiftError,
} from '../../../src/index.js'
import { findWindows, findWindowsAtOnce } from '../../../src/os/windows/detect/find.js'
import { seeded } from '../../images/runs.js'
import { buildWindowsGuest, type GuestName, type WindowsGuest } from '../../images/windows/guest.js'
import { GuestFiles, withGuest } from './guests.js'

const files = new GuestFiles()
afterAll(() => files[Symbol.dispose]())

/** Lists that a person may ask for, all of them. */
function everything(guest: OpenedGuest): void {
  const { items } = guest.processes()
  guest.checkedProcesses()
  guest.modules()
  for (const { pid } of items.slice(0, 20)) {
    guest.threads(pid)
    guest.maps(pid)
    guest.handles(pid)
    // several may have one number: the first of them is meant
    const { peb, dtb } = items.find(each => each.pid === pid)!
    if (peb !== undefined && dtb !== undefined) guest.images(pid)
  }
}

const NAMES: readonly GuestName[] = ['10-19041-x64', '7-sp1-x86']
const process = ({ truth }: WindowsGuest, name: string) => truth.processes.find(each => each.name === name)!

const LIES: readonly (readonly [string, (guest: WindowsGuest) => void, (opened: OpenedGuest) => void])[] = [
  [
    'a process that is in no list and says that its id is that of the idle process',
    guest => guest.builder.put(process(guest, 'hidden.exe').address, '_EPROCESS.UniqueProcessId', 0),
    opened => {
      const found = opened.checkedProcesses().items.find(each => each.process.name === 'hidden.exe')
      expect(found).toMatchObject({ process: { pid: 0 }, verdict: 'hidden' })
    },
  ],
  [
    'a list of processes that runs in a ring without its head',
    guest => {
      const { builder } = guest
      const [first, second] = [process(guest, 'smss.exe'), process(guest, 'csrss.exe')].map(({ address }) =>
        builder.at(address, '_EPROCESS.ActiveProcessLinks'),
      ) as [bigint, bigint]
      builder.kernel.pointer(second, first)
    },
    opened => {
      const { items, problems } = opened.processes()
      expect(items.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['System', 'smss.exe', 'csrss.exe']),
      )
      expect(new Set(items.map(({ address }) => address)).size).toBe(items.length)
      expect(problems.length).toBeGreaterThan(0)
    },
  ],
  [
    "an id of a process's parent that none can be",
    guest =>
      guest.builder.kernel.pointer(
        guest.builder.at(process(guest, 'services.exe').address, '_EPROCESS.InheritedFromUniqueProcessId'),
        guest.truth.machine === 'x64' ? 0xffff_ffff_ffff_fff4n : 0xffff_fff4n,
      ),
    opened => {
      const { items, problems } = opened.processes()
      expect(items.find(({ name }) => name === 'services.exe')?.ppid).toBe(0xffff_fff4)
      expect(problems.map(({ message }) => message).join()).toMatch(
        /its parent's id is 0xf+4, which none can be/,
      )
    },
  ],
  [
    'a link into user memory',
    guest =>
      guest.builder.kernel.pointer(
        guest.builder.at(process(guest, 'services.exe').address, '_EPROCESS.ActiveProcessLinks'),
        0x41414141n,
      ),
    opened => {
      const { items, problems } = opened.processes()
      expect(items.map(({ name }) => name)).toContain('services.exe')
      expect(problems.length).toBeGreaterThan(0)
    },
  ],
  [
    'a list of modules that leads to itself',
    guest => {
      const head = guest.truth.places.moduleHead
      const first = guest.builder.kernel.readPointer(head)
      guest.builder.kernel.pointer(first, first)
    },
    opened => {
      const { items, problems } = opened.modules()
      expect(items.map(({ name }) => name)).toContain('ntoskrnl.exe')
      expect(problems.length).toBeGreaterThan(0)
    },
  ],
  [
    'a tree of areas with a cycle',
    guest => {
      const { builder } = guest
      const { address } = process(guest, 'notepad.exe')
      const at = builder.facts.has('_EPROCESS.VadRoot.BalancedRoot.RightChild')
        ? builder.at(address, '_EPROCESS.VadRoot.BalancedRoot.RightChild')
        : builder.at(address, '_EPROCESS.VadRoot')
      const root = builder.kernel.readPointer(at)
      for (const side of ['Left', 'Right'] as const) {
        const child = builder.kernel.readPointer(
          builder.at(root, [`_MMVAD_SHORT.VadNode.${side}`, `_MMVAD_SHORT.${side}Child`]),
        )
        builder.put(child, [`_MMVAD_SHORT.VadNode.${side}`, `_MMVAD_SHORT.${side}Child`], root)
      }
    },
    opened => {
      const { items, problems } = opened.maps(2400)
      expect(new Set(items.map(({ start }) => start)).size).toBe(items.length)
      expect(problems.length).toBeGreaterThan(0)
    },
  ],
  [
    'a table of ids that leads to itself',
    guest => {
      const { builder, truth } = guest
      const table = builder.kernel.readPointer(truth.places.cidTable)
      const code = builder.at(table, '_HANDLE_TABLE.TableCode')
      const directory = builder.kernel.readPointer(code) & ~7n
      for (let i = 0; i < 8; i++)
        builder.kernel.pointer(directory + BigInt(i * builder.pointerBytes), directory)
      builder.kernel.pointer(code, directory | 2n)
    },
    opened => {
      const { items } = opened.checkedProcesses()
      expect(items.length).toBeGreaterThan(5)
    },
  ],
  [
    'loader lists and strings of a PEB that lie',
    guest => {
      const { memory } = guest
      // every page of the process's heap is filled with the address of the heap
      for (const { gpa, bytes } of memory.contents())
        if (Buffer.from(bytes).includes(Buffer.from('explorer.exe', 'utf16le')))
          for (let at = 0; at + 8 <= bytes.length; at += 8) {
            const page = memory.page(gpa + at)
            if (page.readBigUInt64LE((gpa + at) % 4096) !== 0n && at % 64 === 0)
              page.writeBigUInt64LE(0x1e_0040_0000_1e00n, (gpa + at) % 4096)
          }
    },
    opened => everything(opened),
  ],
]

for (const name of NAMES)
  describe(`${name} with`, () => {
    for (const [what, change, check] of LIES)
      it(`${what}`, async () => {
        const { path } = files.write(name, {}, change)
        const started = performance.now()
        await withGuest(path, opened => {
          check(opened)
          everything(opened)
        })
        expect(performance.now() - started).toBeLessThan(20_000)
      })

    it.each([
      ['a length of export names that is all of memory', 24, 0xffff_ffff],
      ['addresses of functions outside the image', 28, 0xf000_0000],
      ['names outside the image', 32, 0xffff_fff0],
      ['ordinals outside the image', 36, 0x7fff_ffff],
    ])('exports that lie: %s', (_, offset, value) => {
      const guest = buildWindowsGuest(name)
      guest.builder.kernel.integer(guest.truth.places.exportTable + BigInt(offset), value, 4)
      const started = performance.now()
      findWindowsAtOnce(guest.memory, {}) ?? findWindows(guest.memory, {})
      expect(performance.now() - started).toBeLessThan(20_000)
    })

    it('PE headers that lie, each field of them', () => {
      const guest = buildWindowsGuest(name)
      const { kernel } = guest.builder
      const { kernelBase, registers } = guest.truth
      const before = kernel.read(kernelBase, 0x400)
      const notes = { cpus: [{ vcpu: 0, registers }] }
      const started = performance.now()
      let found = 0
      for (let at = 0; at < 90; at++) {
        const lie = [0xffff_ffff, 0x7fff_ffff, 0, 0x1000, 0xffff_f000][at % 5] as number
        // the offset of the PE header, then its fields and the sections' one after the other
        kernel.integer(kernelBase + BigInt(at === 0 ? 0x3c : 0x100 + at * 4), lie, 4)
        const opened = findWindowsAtOnce(guest.memory, { notes, ways: ['registers'] })
        if (opened?.kernel.kernelBase === kernelBase) found++
        kernel.write(kernelBase, before)
      }
      expect(found).toBeGreaterThan(20)
      expect(found).toBeLessThan(90)
      expect(performance.now() - started).toBeLessThan(60_000)
    })

    it('words that were changed at random, in structures of all kinds', async () => {
      for (let seed = 1; seed <= 6; seed++) {
        const next = seeded(seed)
        const { path } = files.write(name, {}, ({ memory }) => {
          const pages = memory
            .contents()
            .flatMap(({ gpa, bytes }) =>
              Array.from({ length: bytes.length / 4096 }, (_, i) => memory.page(gpa + i * 4096)),
            )
          for (let i = 0; i < 400; i++) {
            const page = pages[next() % pages.length] as Buffer
            const at = (next() % 512) * 8
            // words that mean something, put where others were
            page.copy(page, at, (next() % 512) * 8, at + 8)
            if (next() % 4 === 0) page.writeUInt32LE(next(), at)
          }
        })
        const started = performance.now()
        using target = await openTarget(path)
        const guest = await openWindowsGuest(target).catch((error: unknown) => {
          expect(error).toBeInstanceOf(VmsiftError)
          return undefined
        })
        if (guest !== undefined) everything(guest)
        guest?.[Symbol.dispose]()
        expect(performance.now() - started, `seed ${seed}`).toBeLessThan(20_000)
      }
    })
  })
