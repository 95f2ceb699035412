/** Page table entries that are not valid, as kernels mark them on processors with L1TF, and as they did before. */
import { afterAll, describe, expect, it } from 'vitest'
import type { ProcessTruth } from '../../images/windows/truth.js'
import { GuestFiles, withGuest } from './guests.js'

const files = new GuestFiles()
afterAll(() => files[Symbol.dispose]())

describe.each([45, 43, 39])('a guest whose kernel sets bit %i in every entry that is not valid', bit => {
  it('has pages in memory, in the page file and never touched told apart, and their bytes read', async () => {
    const { path, guest: written } = files.write('10-19041-x64', { maskBit: bit })
    const { pid, pages } = written.truth.processes.find(each => each.pages.length > 0) as ProcessTruth
    await withGuest(path, guest => {
      expect(guest.kernel.absent).toBe(`windows-x86-64-mask${bit}`)
      const space = guest.space({ kind: 'process', pid })
      for (const { va, kind, gpa, pageFile } of pages) {
        const place = space.translate(va)
        if (gpa !== undefined) expect(place, kind).toMatchObject({ kind: 'mapped', gpa })
        else if (pageFile !== undefined)
          expect(place, kind).toMatchObject({
            reason: 'swapped',
            swap: { type: pageFile.number, offset: pageFile.page },
          })
        else expect(place, kind).toMatchObject({ reason: 'demand-zero' })
      }
    })
  })
})
