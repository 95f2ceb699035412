/** Every list of a Windows guest, without a profile, against what the generator wrote. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Target, WindowsGuest } from '../../../src/index.js'
import { openTarget, openWindowsGuest } from '../../../src/index.js'
import { GUEST_NAMES, OTHER_GUEST_NAMES } from '../../images/windows/guest.js'
import type { ProcessTruth, WindowsTruth } from '../../images/windows/truth.js'
import { GuestFiles, titleOf, unixOf } from './guests.js'

const files = new GuestFiles()
afterAll(() => files[Symbol.dispose]())

const PROTECTIONS: Readonly<Record<number, string>> = {
  1: 'PAGE_READONLY',
  4: 'PAGE_READWRITE',
  7: 'PAGE_EXECUTE_WRITECOPY',
  24: 'PAGE_NOACCESS',
}

for (const name of [...GUEST_NAMES, ...OTHER_GUEST_NAMES])
  describe(titleOf(name), () => {
    let truth: WindowsTruth
    let target: Target
    let guest: WindowsGuest
    beforeAll(async () => {
      const written = files.write(name)
      truth = written.guest.truth
      target = await openTarget(written.path)
      guest = await openWindowsGuest(target)
    })
    afterAll(() => {
      guest?.[Symbol.dispose]()
      target?.[Symbol.dispose]()
    })
    const listed = (): ProcessTruth[] => truth.processes.filter(process => process.listed)
    const withUser = (): ProcessTruth[] => listed().filter(({ peb }) => peb !== undefined)

    it('is recognised: kernel, version, PDB, page table', () => {
      const { kernel } = guest
      expect(kernel.version).toMatchObject(truth.version)
      expect(kernel.kernelBase).toBe(truth.kernelBase)
      expect(kernel.pdb).toEqual(truth.pdb)
      expect(kernel.dtb).toBe(truth.dtb)
      expect(kernel.disagreements).toEqual([])
      expect(kernel.symbolFile).toBe(false)
    })

    it('tells what its kernel exports', () => {
      const symbols = new Map([...guest.symbols()].map(({ name, address }) => [name, address]))
      expect([...symbols.keys()].sort()).toEqual([...truth.exports].sort())
      for (const [name, address] of symbols) expect(address, name).toBe(truth.symbols.get(name))
    })

    it('lists its processes, with times, sessions, command lines', () => {
      const { items, problems } = guest.processes()
      expect(problems).toEqual([])
      expect(items.map(({ pid }) => pid)).toEqual(listed().map(({ pid }) => pid))
      for (const [i, wanted] of listed().entries()) {
        const found = items[i]
        expect(found, wanted.name).toMatchObject({
          pid: wanted.pid,
          ppid: wanted.ppid,
          name: wanted.name,
          dtb: wanted.dtb,
          address: wanted.address,
          wow64: wanted.wow64,
        })
        expect(found?.createTime).toBeCloseTo(unixOf(wanted.createTime), 4)
        if (wanted.exitTime === undefined) expect(found?.exitTime).toBeUndefined()
        else expect(found?.exitTime).toBeCloseTo(unixOf(wanted.exitTime), 4)
        expect(found?.commandLine).toBe(wanted.commandLine)
        expect(found?.imagePath).toBe(wanted.imagePath)
        expect(found?.peb).toBe(wanted.peb)
        // where the member is not known the environment block tells, which knows no process without a session
        if (found?.session !== undefined) expect(found.session, wanted.name).toBe(wanted.session ?? 0)
        if (found?.threads !== undefined) expect(found.threads, wanted.name).toBe(wanted.threads.length)
      }
    })

    it('shows the hidden process, and the one that is only bytes, by the other ways', () => {
      const { items, available } = guest.checkedProcesses()
      expect(available).toEqual({ processList: true, cidTable: true, scan: true })
      const verdicts = new Map(
        items.map(({ process, sources, verdict }) => [process.name, { ...sources, verdict }]),
      )
      for (const { name, listed, inTable, exitTime, freed } of truth.processes) {
        const found = verdicts.get(name)
        expect(found, name).toMatchObject({ processList: listed, cidTable: inTable, scan: true })
        if (name === 'hidden.exe') expect(found?.verdict).toBe('hidden')
        if (freed || exitTime !== undefined) expect(found?.verdict, name).not.toBe('hidden')
      }
      expect(items).toHaveLength(truth.processes.length)
    })

    it('asks the hidden process by its id for what others are asked for', () => {
      const hidden = truth.processes.find(({ name }) => name === 'hidden.exe')!
      expect(guest.process(hidden.pid).address).toBe(hidden.address)
      expect(guest.maps(hidden.pid).items).toHaveLength(hidden.areas.length)
      expect(guest.dtbToPids(hidden.dtb)).toEqual([hidden.pid])
      // neither in the list nor in the table
      const freed = truth.processes.find(process => process.freed)!
      expect(() => guest.process(freed.pid)).toThrow('there is no process')
    })

    it('lists threads', () => {
      for (const { pid, threads } of listed()) {
        const { items, problems } = guest.threads(pid)
        expect(problems).toEqual([])
        expect(items.map(({ tid, address }) => ({ tid, address }))).toEqual(threads)
      }
    })

    it('lists the modules of the kernel that are in its list', () => {
      const { items, problems } = guest.modules()
      expect(problems).toEqual([])
      expect(items.map(({ name, path, base, size }) => ({ name, path, base, size }))).toEqual(
        truth.modules.filter(({ hidden }) => hidden !== true),
      )
    })

    it('shows the hidden driver by its entry, its object and its image', () => {
      const { items, problems, available } = guest.checkedModules()
      expect(problems).toEqual([])
      expect(available).toEqual({ list: true, entry: true, object: true, image: true })
      expect(
        items.map(({ module, sources, verdict }) => ({ base: module.base, ...sources, verdict })),
      ).toEqual(
        [...truth.modules]
          .sort((a, b) => Number(a.hidden === true) - Number(b.hidden === true))
          .map(({ name, base, hidden }) => ({
            base,
            list: hidden !== true,
            entry: true,
            object: /\.sys$/i.test(name),
            image: true,
            verdict: hidden === true ? 'hidden' : 'listed',
          })),
      )
      const { module } = items.at(-1) ?? {}
      expect(module).toMatchObject({ name: 'rootkit.sys', size: 0x8000 })
      expect(module?.address).not.toBe(0n)
    })

    it('names page files, and the store of compressed memory by its own flag (offsets from one source)', () => {
      const names = truth.pageFiles.map(({ number }) => guest.pageFile({ type: number, offset: 0 }))
      expect(names).toEqual(
        truth.pageFiles.map(({ number, path }) => ({
          name: `page file ${number} (${path ?? 'compressed memory'})`,
          compressed: path === undefined,
        })),
      )
    })

    it('lists the libraries of processes, those of 32-bit halves too', () => {
      for (const { pid, modules } of withUser()) {
        const { items, problems } = guest.images(pid)
        expect(problems).toEqual([])
        const found = items.map(({ name, path, base, size, wow64 }) => ({
          name,
          path,
          base,
          size,
          ...(wow64 === true && { narrow: true }),
        }))
        expect(found).toEqual(modules)
      }
    })

    it('lists areas with protection and file', () => {
      for (const { pid, areas } of withUser()) {
        const { items, problems } = guest.maps(pid)
        expect(problems).toEqual([])
        const found = items.map(({ start, end, protection, kind, path }) => ({
          start,
          end,
          protection,
          kind,
          path,
        }))
        const wanted = [...areas]
          .sort((a, b) => (a.start < b.start ? -1 : 1))
          .map(({ protection, path = '', ...area }) => ({
            ...area,
            protection: PROTECTIONS[protection],
            path,
          }))
        expect(found).toEqual(wanted)
      }
    })

    it('lists handles with type, access and name', () => {
      for (const { pid, handles, name, exitTime } of listed()) {
        if (exitTime !== undefined) continue
        const { items, problems } = guest.handles(pid)
        expect(problems, name).toEqual([])
        const found = items.map(({ handle, type, access, address }) => ({
          handle,
          type,
          access,
          object: address,
        }))
        expect(found, name).toEqual(
          handles.map(({ handle, type, access, object }) => ({ handle, type, access, object })),
        )
        for (const [i, wanted] of handles.entries())
          if (wanted.name !== undefined) expect(items[i]?.name).toBe(wanted.name)
      }
    })

    it('follows page table entries of all kinds to the bytes that are in memory', () => {
      for (const { pid, pages } of listed()) {
        if (pages.length === 0) continue
        const space = guest.space({ kind: 'process', pid })
        for (const { va, kind, gpa, pageFile } of pages) {
          const place = space.translate(va)
          if (gpa !== undefined) {
            expect(place, kind).toMatchObject({ kind: 'mapped', gpa })
            const { bytes, absent } = space.read(va, 32)
            expect(absent).toEqual([])
            expect(Buffer.from(bytes)).toEqual(Buffer.from(guest.memory.window(gpa, 32).bytes))
          } else {
            expect(place.kind, kind).toBe('absent')
            if (place.kind !== 'absent') continue
            if (pageFile !== undefined) {
              expect(place.reason, kind).toBe('swapped')
              expect(place.swap, kind).toMatchObject({ type: pageFile.number, offset: pageFile.page })
            }
          }
        }
      }
    })
  })
