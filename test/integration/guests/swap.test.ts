/** Swapped-out pages against the guest's pagemap: which area and slot, and what zram holds of them. */
import { expect, it } from 'vitest'
import { Swap } from '../../../src/os/linux/swap.js'
import { UserMemory } from '../../../src/os/linux/user-memory.js'
import { PAGE_SWAPPED } from '../../lab/page-file.js'
import { describeDump, useDump } from './dump.js'

describeDump('swap', () => {
  const dump = useDump()

  it('lists the areas as /proc/swaps does', () => {
    const { guest, truth } = dump()
    const { areas } = new Swap(guest.kernel, guest.memory)
    // kernels without types don't tell
    if (guest.kernel.types.sizeOf('swap_info_struct') === undefined) return expect(areas).toEqual([])
    const kib = guest.kernel.paging.pageShift - 10
    expect(
      areas.map(area => [
        area.path,
        area.kind,
        String(area.pages * 2 ** kib),
        String((area.usedPages ?? 0) * 2 ** kib),
        String(area.priority),
      ]),
    ).toEqual(truth.swaps.map(line => line.split(/\s+/)))
  })

  it('names the slot of every page that pagemap calls swapped, and reads those in zram', () => {
    const { guest, truth, found, pages } = dump()
    const swap = new Swap(guest.kernel, guest.memory)
    if (swap.areas.length === 0) return
    const user = new UserMemory(guest.kernel, guest.memory)
    const pageBytes = 2 ** guest.kernel.paging.pageShift
    const markers = truth.markers.filter(({ name }) => name === 'swapped-zram')
    const entriesOf = function* (): Generator<{ pid: number; page: number; frame: number; entry: bigint }> {
      for (const { pid, flags, page, frame } of pages()) {
        const dtb = found.get(pid)?.dtb
        if ((flags & PAGE_SWAPPED) === 0 || dtb === undefined) continue
        const place = user.open(dtb).translate(BigInt(page) * BigInt(pageBytes))
        if (place.kind !== 'mapped' && place.entry !== undefined)
          yield { pid, page, frame, entry: place.entry }
      }
    }
    swap.learn(Array.from(entriesOf(), ({ entry }) => entry))
    let read = 0
    let named = 0
    let met = 0
    for (const { pid, page, frame, entry } of entriesOf()) {
      const swapped = swap.page(entry)
      expect(swapped?.place.area.type, `pid ${pid} page 0x${page.toString(16)}`).toBe(frame % 32)
      expect(swapped?.place.offset).toBe(Math.floor(frame / 32))
      named++
      if (swapped?.bytes === undefined) continue
      expect(swapped.bytes.length).toBe(pageBytes)
      read++
      for (const marker of markers) {
        for (const { gva } of marker.parts)
          if (marker.pid === pid && Math.floor(Number(BigInt(gva)) / pageBytes) === page) {
            const at = Number(BigInt(gva) % BigInt(pageBytes))
            const text = Buffer.from(swapped.bytes).toString('latin1', at, at + marker.length)
            expect(text).toBe(marker.text)
            met++
          }
      }
    }
    console.log(`${named} swapped pages named, ${read} read from zram, ${met} markers in them`)
    expect(named).toBeGreaterThan(0)
    if (read > 0) expect(met).toBe(markers.length)
  })
})
