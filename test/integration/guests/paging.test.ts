/** Translation against the guest's own pagemap, and against QEMU. */
import { expect, it } from 'vitest'
import { openAddressSpace } from '../../../src/paging/address-space.js'
import { PAGE_SWAPPED } from '../../lab/page-file.js'
import { describeDump, isWitness, useDump } from './dump.js'

describeDump('page tables', () => {
  const dump = useDump()

  it("puts every page of every process where the guest's pagemap has it", () => {
    const { guest, truth, found } = dump()
    const wrong: string[] = []
    const counts = { present: 0, swapped: 0, processes: 0 }
    let pid = -1
    let space: ReturnType<typeof guest.openSpace> | undefined
    for (const page of dump().pages()) {
      if (page.pid !== pid) {
        pid = page.pid
        const dtb = found.get(pid)?.dtb
        expect(dtb, `process ${pid} has a page table`).toBeDefined()
        space = guest.openSpace(dtb as number)
        counts.processes++
      }
      const va = BigInt(page.page) * BigInt(truth.pageBytes)
      const place = space?.translate(va)
      if ((page.flags & PAGE_SWAPPED) !== 0) {
        counts.swapped++
        const swap = place?.kind === 'absent' ? place.swap : undefined
        if (place?.kind !== 'absent' || place.reason !== 'swapped')
          wrong.push(`${pid} ${va.toString(16)} not swapped`)
        else if (swap !== undefined && swap.type + swap.offset * 32 !== page.frame)
          wrong.push(`${pid} ${va.toString(16)} slot ${swap.type}:${swap.offset}, not ${page.frame}`)
      } else {
        counts.present++
        const gpa = place?.kind === 'mapped' ? place.gpa : undefined
        if (gpa !== page.frame * truth.pageBytes)
          wrong.push(`${pid} ${va.toString(16)} ${place?.kind} ${gpa}, not ${page.frame}`)
      }
    }
    expect(wrong.slice(0, 20)).toEqual([])
    expect(counts.present).toBeGreaterThan(5000)
    expect(counts.processes).toBe(truth.processes.filter(process => process.maps.length > 0).length)
  })

  it("maps nothing for the user that the guest's pagemap doesn't have", () => {
    const { guest, truth, found } = dump()
    const known = new Map<number, Set<number>>()
    for (const { pid, page } of dump().pages()) {
      const pages = known.get(pid)
      if (pages === undefined) known.set(pid, new Set([page]))
      else pages.add(page)
    }
    const extra: string[] = []
    for (const told of truth.processes) {
      const dtb = found.get(told.pid)?.dtb
      if (dtb === undefined || told.maps.length === 0) continue
      // pagemap leaves out what has no page structures: the kernel's clock pages
      const bare = told.maps.filter(map => map.path.startsWith('[vvar'))
      const end = guest.kernel.paging.userEnd
      for (const { va, length } of guest.openSpace(dtb).extents(0n, end)) {
        for (let at = va; at < va + BigInt(length); at += BigInt(truth.pageBytes)) {
          if (known.get(told.pid)?.has(Number(at / BigInt(truth.pageBytes)))) continue
          if (!bare.some(map => BigInt(map.start) <= at && at < BigInt(map.end)))
            extra.push(`${told.pid} ${told.name} 0x${at.toString(16)}`)
        }
      }
    }
    expect(extra.slice(0, 20)).toEqual([])
  })

  it('reads markers in the process and at the address where they were planted', () => {
    const { guest, truth, found } = dump()
    let read = 0
    for (const marker of truth.markers) {
      const dtb = found.get(marker.pid)?.dtb
      const first = marker.parts[0]
      if (dtb === undefined || first === undefined || marker.encoding === 'counter') continue
      // a marker of two mappings has its parts at two addresses
      const together = marker.parts.every(
        (part, i) =>
          i === 0 ||
          BigInt(part.gva) === BigInt(marker.parts[i - 1]!.gva) + BigInt(marker.parts[i - 1]!.length),
      )
      if (!together) continue
      const { bytes, absent } = guest.openSpace(dtb).read(BigInt(first.gva), marker.length)
      if (marker.name.startsWith('swapped-')) {
        expect(
          absent.map(hole => hole.reason),
          marker.name,
        ).toEqual(['swapped'])
        continue
      }
      expect(absent, marker.name).toEqual([])
      const text = Buffer.from(bytes).toString(marker.encoding === 'utf16le' ? 'utf16le' : 'latin1')
      expect(text, `${marker.name} in ${marker.pid}`).toBe(marker.text)
      read++
    }
    expect(read).toBeGreaterThan(150)
  })

  it('agrees with QEMU on the tables that the processor had loaded', () => {
    const { guest, truth } = dump()
    const { paging, dtb } = guest.kernel
    const { registers, translations } = truth.qemu
    const { cr3, ttbr0_el1: user, ttbr1_el1: kernel } = registers.control
    const space = openAddressSpace(guest.memory, {
      mode: paging,
      dtb: BigInt(cr3 ?? user ?? dtb),
      kernelDtb: BigInt(cr3 ?? kernel ?? dtb),
    })
    let mapped = 0
    for (const { gva, gpa } of translations) {
      const va = BigInt(gva)
      // a processor with PAN keeps the kernel off the user's pages, and QEMU then tells nothing of them
      if (user !== undefined && gpa === undefined && va < paging.kernelStart) continue
      const place = space.translate(va)
      expect(place.kind === 'mapped' ? place.gpa : undefined, gva).toBe(gpa)
      if (gpa !== undefined) mapped++
    }
    expect(mapped).toBeGreaterThan(10)
    expect(truth.processes.some(isWitness)).toBe(true)
  })
})
