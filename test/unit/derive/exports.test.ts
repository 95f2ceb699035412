import { describe, expect, it } from 'vitest'
import { readExports } from '../../../src/os/linux/derive/exports.js'
import { readImage } from '../../../src/os/linux/derive/image.js'
import { PlaceReader } from '../../../src/os/linux/derive/reader.js'
import { KernelMemory, symbolsOf } from '../../images/kernel-memory.js'

/** Writes a table of `count` symbols and `init_task`, each with or without the field for its namespace. */
function exportTable(pointerBytes: 4 | 8, relative: boolean, fields: 2 | 3) {
  const memory = new KernelMemory(pointerBytes)
  const base = pointerBytes === 8 ? 0xffff_ffff_8100_0000n : 0xc100_0000n
  memory.write(base, new Uint8Array(0x8000))
  const width = BigInt(relative ? 4 : pointerBytes)
  const wanted = new Map<string, bigint>()
  let names = base + 0x4000n
  for (let i = 0; i < 100; i++) {
    const name = i === 40 ? 'init_task' : `exported_${i}`
    const entry = base + 0x1000n + BigInt(i * fields) * width
    const target = base + 0x6000n + BigInt(i * 16)
    memory.text(names, name)
    const put = (at: bigint, to: bigint): void => memory.number(at, relative ? to - at : to, Number(width))
    put(entry, target)
    put(entry + width, names)
    wanted.set(name, target)
    names += BigInt(name.length + 1)
  }
  // a text that is no entry's name
  memory.text(base + 0x3000n, '\0init_task')
  const reader = new PlaceReader(memory, 0xc000_0000)
  const parts = readImage(memory, reader, base, symbolsOf({ _stext: base }))
  return { found: readExports(reader, parts), wanted, reader }
}

describe('readExports', () => {
  for (const pointerBytes of [4, 8] as const)
    for (const relative of [false, true])
      for (const fields of [2, 3] as const)
        it(`reads tables of ${fields} ${relative ? 'relative' : 'absolute'} fields, ${pointerBytes * 8} bits`, () => {
          const { found, wanted, reader } = exportTable(pointerBytes, relative, fields)
          const addresses = [...found].map(([name, place]) => [name, reader.address(place)] as const)
          expect(new Map(addresses)).toEqual(wanted)
        })
})
