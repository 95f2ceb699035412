/** Modules that no list of the kernel's names, in other ways than the generator's hidden driver. */
import { afterAll, describe, expect, it } from 'vitest'
import { CODE, peHeaders } from '../../images/windows/pe.js'
import { GuestFiles, withGuest } from './guests.js'

const files = new GuestFiles()
afterAll(() => files[Symbol.dispose]())

describe.each(['10-19041-x64', '7-sp1-x86'] as const)('the modules of %s, checked', name => {
  const wide = name.endsWith('x64')
  const POOL = wide ? 0xffff_c08b_eeee_0000n : 0x8fee_0000n
  const headers = peHeaders({
    bits: wide ? 64 : 32,
    machine: wide ? 0x8664 : 0x14c,
    imageBytes: 0x3000,
    timestamp: 1,
    base: POOL,
    sections: [{ name: '.text', rva: 0x1000, bytes: 0x2000, flags: CODE }],
  })

  it('an image in the pool that nothing names is unlisted', async () => {
    const { path } = files.write(name, {}, ({ builder }) => {
      builder.kernel.map(POOL, 0x3000, { executable: true })
      builder.kernel.write(POOL, headers)
    })
    await withGuest(path, guest => {
      const found = guest.checkedModules().items.find(({ module }) => module.base === POOL)
      expect(found).toMatchObject({
        verdict: 'unlisted',
        module: { size: 0x3000 },
        sources: { list: false, entry: false, object: false, image: true },
      })
    })
  })

  it('a file that is read is no image, and what is not mapped any more was unloaded', async () => {
    const { path, guest } = files.write(name, {}, ({ builder, truth }) => {
      builder.kernel.map(POOL, 0x3000)
      builder.kernel.write(POOL, headers)
      // the entry of the hidden driver stays, at an address that is none
      const { base } = truth.modules.find(({ hidden }) => hidden === true) ?? {}
      const from = Buffer.alloc(8)
      from.writeBigUInt64LE(base ?? 0n)
      const needle = from.subarray(0, builder.pointerBytes)
      for (const { gpa, bytes } of builder.memory.contents())
        for (let at = bytes.indexOf(needle[0] ?? 0); at >= 0; at = bytes.indexOf(needle[0] ?? 0, at + 1))
          if (
            at % builder.pointerBytes === 0 &&
            Buffer.from(bytes.subarray(at, at + needle.length)).equals(needle)
          ) {
            const moved = Buffer.alloc(8)
            moved.writeBigUInt64LE((base ?? 0n) + 0x100_0000n)
            const page = builder.memory.page(gpa + at)
            page.set(moved.subarray(0, builder.pointerBytes), (gpa + at) % 4096)
          }
    })
    const { base } = guest.truth.modules.find(({ hidden }) => hidden === true) ?? {}
    await withGuest(path, opened => {
      const { items } = opened.checkedModules()
      expect(items.find(({ module }) => module.base === POOL)).toBeUndefined()
      const gone = items.find(({ module }) => module.base === (base ?? 0n) + 0x100_0000n)
      expect(gone).toMatchObject({
        verdict: 'unloaded',
        sources: { list: false, object: true, image: false },
      })
    })
  })
})
