/** The generator of Windows guests is itself looked at through the project's walker, which shares no code with it. */
import { describe, expect, it } from 'vitest'
import { openAddressSpace } from '../../src/paging/address-space.js'
import { pagingMode } from '../../src/paging/modes.js'
import { writeCrashDump } from '../images/crashdump.js'
import { openImage } from '../images/open.js'
import { buildWindowsGuest, GUEST_NAMES } from '../images/windows/guest.js'

const MODES = { ia32: 'i386', pae: 'i386-pae', '4-level': 'x86_64' } as const

describe.each(GUEST_NAMES)('the generated guest %s', name => {
  const { memory, truth, builder } = buildWindowsGuest(name)
  const mode = pagingMode(MODES[truth.paging])
  const spaceOf = (dtb: number) => openAddressSpace(memory, { mode, dtb })
  const kernel = spaceOf(truth.dtb)
  const pointer = (va: bigint): bigint => {
    const { bytes, absent } = kernel.read(va, builder.pointerBytes)
    expect(absent).toEqual([])
    const view = Buffer.from(bytes)
    return builder.pointerBytes === 8 ? view.readBigUInt64LE() : BigInt(view.readUInt32LE())
  }

  it('has its kernel where it says, in every process', () => {
    for (const { dtb, freed } of truth.processes) {
      if (freed) continue
      const { bytes } = spaceOf(dtb).read(truth.kernelBase, 2)
      expect(Buffer.from(bytes).toString('latin1')).toBe('MZ')
    }
  })

  it('has a ring of processes in both directions', () => {
    const listed = truth.processes.filter(process => process.listed)
    const links = listed.map(({ address }) => builder.at(address, '_EPROCESS.ActiveProcessLinks'))
    const head = truth.places.processHead
    let at = head
    for (const link of [...links, head]) {
      expect(pointer(at)).toBe(link)
      expect(pointer(link + BigInt(builder.pointerBytes))).toBe(at)
      at = link
    }
  })

  it('maps what it says in processes', () => {
    for (const { dtb, pages, modules } of truth.processes) {
      const space = spaceOf(dtb)
      for (const { va, gpa, kind } of pages) {
        const place = space.translate(va)
        if (kind === 'valid' || kind === 'large') expect(place).toMatchObject({ kind: 'mapped', gpa })
        else expect(place.kind).toBe('absent')
      }
      for (const { base } of modules)
        expect(Buffer.from(space.read(base, 2).bytes).toString('latin1')).toBe('MZ')
    }
  })

  it('reads the same out of a crash dump', () => {
    const runs = memory.contents()
    const dump = writeCrashDump(runs, {
      bits: truth.machine === 'x64' ? 64 : 32,
      memory: 'bitmap',
      withoutRuns: true,
      pae: truth.paging === 'pae',
    })
    const { image, memory: read } = openImage(dump)
    expect(image.architecture).toBe(MODES[truth.paging])
    for (const { gpa, bytes } of runs.slice(0, 50))
      expect(Buffer.from(read.window(gpa, bytes.length).bytes).equals(bytes)).toBe(true)
  })
})
