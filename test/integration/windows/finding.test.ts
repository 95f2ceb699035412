/** Each way of finding a Windows kernel on its own, in memory that offers nothing else to it, and dumps that tell more. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findWindows, findWindowsAtOnce } from '../../../src/os/windows/detect/find.js'
import type { FindingWay } from '../../../src/os/windows/kernel.js'
import { windowsData } from '../../helpers/windows-data.js'
import { writeCrashDump } from '../../images/crashdump.js'
import {
  buildWindowsGuest,
  GUEST_NAMES,
  type GuestName,
  type WindowsGuest,
} from '../../images/windows/guest.js'
import { GuestFiles, titleOf, withGuest } from './guests.js'

const files = new GuestFiles()
afterAll(() => files[Symbol.dispose]())

const WAYS: readonly FindingWay[] = ['registers', 'low-stub', 'self-map', 'kpcr', 'kdbg', 'process']

function find({ memory, truth }: WindowsGuest, way: FindingWay) {
  const notes = { cpus: way === 'registers' ? [{ vcpu: 0, registers: truth.registers }] : [] }
  const hints = { ways: [way], notes }
  return findWindowsAtOnce(memory, hints) ?? findWindows(memory, hints)
}

for (const name of GUEST_NAMES)
  describe(titleOf(name), () => {
    const guest = buildWindowsGuest(name)
    const { truth } = guest
    for (const way of WAYS) {
      // only 64-bit kernels start further processors from there
      if (way === 'low-stub' && truth.machine === 'x86') continue
      // encoded blocks can't be told in physical memory
      if (way === 'kdbg' && truth.machine === 'x64' && truth.version.build >= 9200) continue
      it(`is found by ${way} alone`, () => {
        const kernel = find(guest, way)?.kernel
        expect(kernel?.kernelBase).toBe(truth.kernelBase)
        expect(kernel?.dtb).toBe(truth.dtb)
        expect(kernel?.pdb).toEqual(truth.pdb)
        expect(kernel?.foundBy[0]?.way).toBe(way)
      })
    }
  })

describe('a Windows guest in a crash dump', () => {
  it('is found where its header lies, which is told', async () => {
    const { memory: physical, truth } = buildWindowsGuest('10-19041-x64')
    const path = join(files.folder, 'lies.dmp')
    const header = { directoryTableBase: 0x123_4000n, activeProcessHead: truth.kernelBase + 0x100n }
    writeFileSync(path, writeCrashDump(physical.whole(), { header }))
    await withGuest(path, guest => {
      expect(guest.kernel.dtb).toBe(truth.dtb)
      expect(guest.kernel.foundBy.find(({ way }) => way === 'dump')?.agrees).toBe(false)
      expect(guest.processes().items).toHaveLength(truth.processes.filter(({ listed }) => listed).length)
    })
  })

  it.each([
    ['xp-sp2-x86-pae', 'full'],
    ['7-sp1-x64', 'bitmap'],
    ['10-19041-x64', 'bitmap'],
    ['10-19041-x86', 'ranges'],
    ['xp-sp2-x86', 'old bitmap'],
  ] as const)('%s, %s: is found by its header, and lists the same processes', async (name, memory) => {
    const { memory: physical, truth } = buildWindowsGuest(name)
    const path = join(files.folder, `${name}.dmp`)
    const { places } = truth
    const runs = memory === 'full' ? physical.whole() : physical.contents()
    const dump = writeCrashDump(runs, {
      bits: truth.machine === 'x64' && memory !== 'ranges' ? 64 : truth.machine === 'x64' ? 64 : 32,
      memory,
      pae: truth.paging === 'pae',
      withoutRuns: memory !== 'full',
      header: {
        build: truth.version.build,
        directoryTableBase: BigInt(truth.dtb),
        loadedModuleList: places.moduleHead,
        activeProcessHead: places.processHead,
        debuggerDataBlock: places.kdbg,
      },
    })
    writeFileSync(path, dump)
    await withGuest(path, guest => {
      expect(guest.kernel.kernelBase).toBe(truth.kernelBase)
      expect(guest.kernel.foundBy[0]).toMatchObject({ way: 'dump', agrees: true })
      expect(guest.kernel.foundBy[0]?.detail).toContain('modules at 0x')
      expect(guest.processes().items.map(({ pid }) => pid)).toEqual(
        truth.processes.filter(({ listed }) => listed).map(({ pid }) => pid),
      )
      expect(guest.modules().items).toHaveLength(truth.modules.filter(({ hidden }) => hidden !== true).length)
    })
  })
})

const EXACT: readonly (readonly [GuestName, string])[] = [
  ['7-sp1-x64', 'isf/ntkrnlmp.pdb/339E74133576439CBCDF7E0229DA3773-1.json.xz'],
  ['8.1-x64', 'isf/ntkrnlmp.pdb/06A508F37B81478E855A3542E272C084-1.json.xz'],
  ['10-19041-x64', 'isf/ntkrnlmp.pdb/5278AFF86C341677D7D7835C85B7B844-1.json.xz'],
  ['11-22000-x64', 'isf/ntkrnlmp.pdb/0B0A89438BE7729EB33FD00A7D6FA816-1.json.xz'],
  ['xp-sp2-x86-pae', 'rekall/ntkrnlpa.pdb.bd8f451f3e754ed8a34b50560ceb08e31.rekall.json'],
  ['xp-sp2-x86', 'rekall/ntoskrnl.pdb.32962337f0f646388b39535cd8dd70e82.rekall.json'],
]

describe('a Windows guest with the symbol table of its very kernel (real tables)', () => {
  for (const [name, file] of EXACT) {
    const table = windowsData(file)
    it.skipIf(table === undefined)(`${name} by ${file} (skipped: no Windows data)`, async () => {
      const { path, guest } = files.write(name)
      const { truth } = guest
      await withGuest(
        path,
        opened => {
          expect(opened.kernel.symbolFile).toBe(true)
          expect(opened.kernel.disagreements).toEqual([])
          for (const symbol of ['PsActiveProcessHead', 'PsLoadedModuleList', 'PspCidTable'])
            expect(opened.addressOf(symbol)).toBe(truth.symbols.get(symbol))
          const { items, problems } = opened.processes()
          expect(problems).toEqual([])
          expect(items.map(({ pid, commandLine }) => [pid, commandLine])).toEqual(
            truth.processes.filter(({ listed }) => listed).map(({ pid, commandLine }) => [pid, commandLine]),
          )
        },
        table,
      )
    })
  }

  const folder = windowsData('isf')
  it.skipIf(folder === undefined)(
    'is chosen from a folder by PDB and GUID (skipped: no Windows data)',
    async () => {
      const { path } = files.write('10-19041-x64')
      await withGuest(path, ({ kernel }) => expect(kernel.symbolFile).toBe(true), folder)
    },
  )

  const other = windowsData('isf/ntkrnlmp.pdb/06564D3477822C7D97F04852CBD5AFD6-1.json.xz')
  it.skipIf(other === undefined)(
    'of another GUID is refused, with the one that is needed (skipped: no Windows data)',
    async () => {
      const { path } = files.write('10-19041-x64')
      await expect(withGuest(path, () => undefined, other)).rejects.toThrow(
        /5278AFF86C341677D7D7835C85B7B844/,
      )
    },
  )
})
