import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { VirtualMemory } from '../../../src/core/virtual-memory.js'
import { BLOCK, blockAt, blockPlaces } from '../../../src/os/windows/detect/debugger-block.js'
import { findWindows, findWindowsAtOnce } from '../../../src/os/windows/detect/find.js'
import type { PeImage } from '../../../src/os/windows/pe/image.js'
import { windowsData } from '../../helpers/windows-data.js'
import { buildWindowsGuest, GUEST_NAMES } from '../../images/windows/guest.js'

const MASK = 0xffff_ffff_ffff_ffffn
const BASE = 0xffff_f804_7ba0_0000n
const PE = { base: BASE, bits: 64, sizeBytes: 0x104_6000 } as unknown as PeImage
const DUMP = windowsData('dumps/triage_x64.dmp')
/** Where the real dump has its block, in the clear: its tag is at 66744. */
const DUMP_AT = 66744 - BLOCK.tag

interface Keys {
  readonly never: bigint
  readonly always: bigint
  readonly mark: bigint
}

/** As Windows keeps it: the inverse of KdCopyDataBlock, quad word by quad word. */
function encoded(block: Buffer, { never, always, mark }: Keys): Buffer {
  const out = Buffer.alloc(block.length)
  const by = BigInt(Number(never & 0xffn) % 64)
  for (let at = 0; at + 8 <= block.length; at += 8) {
    const swap = Buffer.alloc(8)
    swap.writeBigUInt64BE(block.readBigUInt64LE(at) ^ always)
    const value = swap.readBigUInt64LE() ^ mark
    out.writeBigUInt64LE((((value >> by) | (value << (64n - by))) & MASK) ^ never, at)
  }
  return out
}

function plainBlock(): Buffer {
  const block = Buffer.alloc(0x380)
  block.write('KDBG', BLOCK.tag, 'latin1')
  block.writeUInt32LE(0x380, BLOCK.size)
  block.writeBigUInt64LE(BASE, BLOCK.kernelBase)
  block.writeBigUInt64LE(BASE + 0xc2_a390n, BLOCK.moduleHead)
  block.writeBigUInt64LE(BASE + 0xc1_e200n, BLOCK.processHead)
  return block
}

function memoryOf(bytes: Buffer): VirtualMemory {
  return {
    pointerBytes: 8,
    read: (va, length) => ({
      bytes: bytes.subarray(Number(va - BASE), Number(va - BASE) + length),
      absent: [],
    }),
  }
}

const keys = fc.record({
  never: fc.bigInt({ min: 0n, max: MASK }),
  always: fc.bigInt({ min: 0n, max: MASK }),
  mark: fc.bigInt({ min: BASE, max: BASE + 0x100_0000n }),
})

describe("the debugger's block of a 64-bit kernel", () => {
  it('is found among other bytes and decoded, whatever its keys are', () => {
    const block = plainBlock()
    fc.assert(
      fc.property(
        keys,
        fc.integer({ min: 0, max: 60 }),
        fc.uint8Array({ minLength: 2048, maxLength: 2048 }),
        (key, at, noise) => {
          const bytes = Buffer.from(noise)
          bytes.set(encoded(block, key), at * 16)
          const [place, ...others] = [...blockPlaces(bytes, PE, true)]
          expect([place, others]).toEqual([at * 16, []])
          const found = blockAt(memoryOf(bytes), PE, BASE + BigInt(at * 16))
          expect(found?.bytes.subarray(0, 0x220)).toEqual(block.subarray(0, 0x220))
        },
      ),
    )
  })

  it('is seen in no other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), bytes => {
        expect([...blockPlaces(Buffer.from(bytes), PE, true)]).toEqual([])
      }),
    )
  })

  it.skipIf(DUMP === undefined)(
    'is decoded to the very bytes of a real 19041 (skipped: no Windows data)',
    () => {
      const block = readFileSync(DUMP ?? '').subarray(DUMP_AT, DUMP_AT + 0x380)
      const key = { never: 0x6c1d_0f33_a5b7_9e2bn, always: 0x9a02_77d1_4c3f_e815n, mark: BASE + 0xd0_2c40n }
      const bytes = encoded(block, key)
      expect([...blockPlaces(bytes, PE, true)]).toEqual([0])
      const found = blockAt(memoryOf(bytes), PE, BASE)
      expect(found?.encoded).toBe(true)
      expect(found?.bytes).toEqual(block.subarray(0, found?.bytes.length))
    },
  )
})

describe.each(GUEST_NAMES)('%s', name => {
  const guest = buildWindowsGuest(name)
  const found = findWindowsAtOnce(guest.memory, {}) ?? findWindows(guest.memory, {})

  it('has its block and its processor found where they are, and all ways agree', () => {
    const { places, foundBy } = found?.kernel ?? {}
    expect(places?.kdbg?.address).toBe(guest.truth.places.kdbg)
    expect(foundBy?.map(({ way }) => way)).toEqual(expect.arrayContaining(['kdbg', 'kpcr']))
    expect(foundBy?.filter(({ agrees }) => !agrees)).toEqual([])
  })
})

it('a block that names another list of processes is told to disagree', () => {
  const guest = buildWindowsGuest('7-sp1-x64')
  const { kdbg, processHead } = guest.truth.places
  guest.builder.kernel.pointer(kdbg + BigInt(BLOCK.moduleHead), processHead)
  const { kernel } = findWindowsAtOnce(guest.memory, {}) ?? {}
  expect(kernel?.foundBy.find(({ way }) => way === 'kdbg')?.agrees).toBe(false)
})
