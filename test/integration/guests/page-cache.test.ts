/** Owners of page cache frames against the guest: its mappings of files, and the frames that pagemap gives them. */
import { expect, it } from 'vitest'
import { maps } from '../../../src/os/linux/maps.js'
import { PageCache } from '../../../src/os/linux/page-cache.js'
import { PAGE_PRESENT, PAGE_SHARED } from '../../lab/page-file.js'
import { describeDump, useDump } from './dump.js'

describeDump('page cache', () => {
  const dump = useDump()

  it('names file and offset of every frame that a process maps from a file', () => {
    const { guest, found, pages } = dump()
    const cache = new PageCache(guest.kernel)
    // kernels without types don't tell
    if (guest.kernel.types.sizeOf('address_space') === undefined)
      return expect(cache.owner(1)).toBeUndefined()
    expect(cache.available).toBe(true)
    const pageBytes = 2 ** guest.kernel.paging.pageShift
    const mappings = new Map(
      [...found.values()].map(({ pid, mmAddress }) => [pid, maps(guest.kernel, mmAddress).items]),
    )
    let compared = 0
    for (const { pid, flags, page, frame } of pages()) {
      if ((flags & PAGE_PRESENT) === 0 || (flags & PAGE_SHARED) === 0) continue
      const va = BigInt(page) * BigInt(pageBytes)
      const mapping = mappings.get(pid)?.find(({ start, end }) => start <= va && va < end)
      if (mapping === undefined || !mapping.path.startsWith('/')) continue
      const owner = cache.owner(frame)
      if (owner?.fileSystem === 'hugetlbfs') continue
      expect(owner?.path, `pid ${pid} frame 0x${frame.toString(16)}`).toBe(mapping.path)
      expect(owner?.offset).toBe(mapping.offset + Number(va - mapping.start))
      compared++
    }
    console.log(`${compared} mapped frames of files named`)
    expect(compared).toBeGreaterThan(50)
  })
})
