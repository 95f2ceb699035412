import { describe, expect, it } from 'vitest'
import { openWindowsSpace } from '../../../src/coordinator/guest.js'
import { type DetectedWindows, detectGuest, reopenGuest } from '../../../src/os/detect.js'
import { Problems } from '../../../src/os/problem.js'
import { crossCheckWindowsProcesses } from '../../../src/os/windows/crosscheck.js'
import { windowsHandles } from '../../../src/os/windows/handles.js'
import { windowsMaps } from '../../../src/os/windows/maps.js'
import { windowsModules } from '../../../src/os/windows/modules.js'
import { Peb } from '../../../src/os/windows/peb.js'
import { windowsProcesses } from '../../../src/os/windows/processes.js'
import { windowsThreads } from '../../../src/os/windows/threads.js'
import {
  buildWindowsGuest,
  GUEST_NAMES,
  type GuestName,
  type WindowsGuest,
} from '../../images/windows/guest.js'

const PROTECTIONS = [
  'NOACCESS',
  'READONLY',
  'EXECUTE',
  'EXECUTE_READ',
  'READWRITE',
  'WRITECOPY',
  'EXECUTE_READWRITE',
  'EXECUTE_WRITECOPY',
]
/** 32-bit guests whose structure doesn't tell sessions to the generator's tables. */
const NO_SESSION: readonly GuestName[] = ['10-19041-x86']

function open(guest: WindowsGuest): DetectedWindows {
  const found = detectGuest(guest.memory)
  if (found?.family !== 'windows') throw new Error(`no Windows guest was recognised in ${guest.name}`)
  return found
}

const byStart = (a: { start: bigint }, b: { start: bigint }) => (a.start < b.start ? -1 : 1)

describe.each(GUEST_NAMES)('a generated guest of %s', name => {
  const guest = buildWindowsGuest(name)
  const { truth, memory } = guest
  const sources = guest.sources.length === 1 ? ' (its offsets have one source)' : ''
  const { kernel, record } = open(guest)
  const space = (dtb: number) => openWindowsSpace(memory, kernel, dtb)
  const listed = truth.processes.filter(process => process.listed)

  it('is recognised with its kernel, its table and its PDB, and no profile', () => {
    expect(kernel.version).toMatchObject(truth.version)
    expect(kernel.version.machine).toBe(truth.machine)
    expect(kernel.paging?.name.replace('-pse', '')).toBe(truth.paging)
    expect(kernel.dtb).toBe(truth.dtb)
    expect(kernel.kernelBase).toBe(truth.kernelBase)
    expect(kernel.pdb).toEqual(truth.pdb)
    expect(kernel.places.processHead?.address).toBe(truth.places.processHead)
    expect(kernel.places.moduleHead?.address).toBe(truth.places.moduleHead)
    expect(kernel.places.cidTable?.address).toBe(truth.places.cidTable)
    expect(kernel.disagreements).toEqual([])
    expect(kernel.foundBy.every(({ agrees }) => agrees)).toBe(true)
  })

  it('has the exports as symbols', () => {
    for (const each of truth.exports) expect(kernel.symbols.addressOf(each)).toBe(truth.symbols.get(each))
    expect(kernel.symbols.size).toBe(truth.exports.size)
  })

  it(`lists its processes${sources}`, () => {
    const { items, problems } = windowsProcesses(kernel, space)
    expect(problems).toEqual([])
    expect(items.map(({ pid }) => pid)).toEqual(listed.map(({ pid }) => pid))
    for (const wanted of listed) {
      const found = items.find(({ pid }) => pid === wanted.pid)
      expect(found).toMatchObject({
        ppid: wanted.ppid,
        name: wanted.name,
        address: wanted.address,
        dtb: wanted.dtb,
        threads: wanted.threads.length,
        wow64: wanted.wow64,
      })
      const { peb, commandLine, imagePath, session } = found ?? {}
      expect({ peb, commandLine, imagePath }).toEqual({
        peb: wanted.peb,
        commandLine: wanted.commandLine,
        imagePath: wanted.imagePath,
      })
      if (!NO_SESSION.includes(name)) expect(session).toBe(wanted.session)
      expect(found?.createTime).toBeCloseTo(Number(wanted.createTime) / 1e7 - 11_644_473_600, 3)
      expect(found?.exitTime === undefined).toBe(wanted.exitTime === undefined)
    }
  })

  it(`lists modules, libraries, mappings, handles and threads${sources}`, () => {
    const loaded = truth.modules.filter(({ hidden }) => hidden !== true)
    expect(
      windowsModules(kernel).items.map(({ name, path, base, size }) => ({ name, path, base, size })),
    ).toEqual(loaded.map(({ name, path, base, size }) => ({ name, path, base, size })))
    for (const wanted of listed) {
      const maps = windowsMaps(kernel, wanted.address)
      expect(maps.problems).toEqual([])
      expect(
        maps.items.map(({ start, end, protection, kind, path }) => ({ start, end, protection, kind, path })),
      ).toEqual(
        [...wanted.areas].sort(byStart).map(({ start, end, protection, kind, path }) => ({
          start,
          end,
          protection: `PAGE_${PROTECTIONS[protection]}`,
          kind,
          path: path ?? '',
        })),
      )
      const handles = windowsHandles(kernel, wanted.address)
      expect(
        handles.items.map(({ handle, type, access, address }) => ({ handle, type, access, object: address })),
      ).toEqual(wanted.handles.map(({ handle, type, access, object }) => ({ handle, type, access, object })))
      for (const { handle, name: told } of wanted.handles)
        if (told !== undefined) expect(handles.items.find(each => each.handle === handle)?.name).toBe(told)
      expect(
        windowsThreads(kernel, wanted.address).items.map(({ tid, address }) => ({ tid, address })),
      ).toEqual(wanted.threads.map(({ tid, address }) => ({ tid, address })))
      if (wanted.peb === undefined || wanted.modules.length === 0) continue
      const own = space(wanted.dtb)
      const wide = wanted.modules.filter(({ narrow, hidden }) => narrow !== true && hidden !== true)
      const images = new Peb(own, wanted.peb, own.pointerBytes).images(new Problems())
      expect(images.map(({ name, base }) => ({ name, base }))).toEqual(
        wide.map(({ name, base }) => ({ name, base })),
      )
    }
  })

  it('follows what is in memory of its absent pages, and names what is not', () => {
    for (const { dtb, pages } of listed)
      for (const { va, kind, gpa, pageFile } of pages) {
        const found = space(dtb).translate(va)
        if (gpa !== undefined) expect(found).toMatchObject({ kind: 'mapped', gpa })
        else if (kind === 'demand-zero')
          expect(found).toMatchObject({ kind: 'absent', reason: 'demand-zero' })
        else {
          expect(found).toMatchObject({ kind: 'absent', reason: 'swapped', swap: { offset: pageFile?.page } })
          // where the number stands is told by the label's date, and this guest's is older than its structures
          if (name !== '8.1-x64') expect(found).toMatchObject({ swap: { type: pageFile?.number } })
        }
      }
  })

  it('shows a hidden process and remains of ended ones', () => {
    const { items, available, problems } = crossCheckWindowsProcesses(
      kernel,
      memory,
      space(kernel.dtb),
      space,
    )
    expect(problems).toEqual([])
    expect(available).toEqual({ processList: true, cidTable: true, scan: true })
    expect(
      new Map(items.map(({ process, sources, verdict }) => [process.pid, { ...sources, verdict }])),
    ).toEqual(
      new Map(
        truth.processes.map(({ pid, listed, inTable, freed, exitTime }) => [
          pid,
          {
            processList: listed,
            cidTable: inTable,
            scan: true,
            verdict: exitTime !== undefined || freed ? 'ended' : listed && inTable ? 'listed' : 'hidden',
          },
        ]),
      ),
    )
  })

  it('opens again from its record', () => {
    const again = reopenGuest(memory, record())
    expect(again?.family).toBe('windows')
    expect(again?.kernel.kernelBase).toBe(truth.kernelBase)
    expect(again?.changed()).toBe(false)
  })
})
