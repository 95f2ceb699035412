/** Memory that was made to keep its reader busy. */
import { describe, expect, it } from 'vitest'
import type { VirtualMemory } from '../../../src/core/virtual-memory.js'
import { deriveTypes } from '../../../src/os/linux/derive/derive.js'
import { randomFrom } from '../../images/derive/struct-plan.js'
import { symbolsOf } from '../../images/kernel-memory.js'

const BASE = { 4: 0xc100_0000n, 8: 0xffff_ffff_8100_0000n } as const
const BYTES = 2 ** 20
/** Far above what any of these takes, for a busy machine. */
const LIMIT_MS = 10_000

/** The same MiB over and over, wherever it is read. */
function mirrored(pointerBytes: 4 | 8, content: Uint8Array): VirtualMemory {
  return {
    pointerBytes,
    read(va, length) {
      const bytes = new Uint8Array(length)
      const from = Number(va % BigInt(BYTES))
      for (let done = 0; done < length; ) {
        const at = (from + done) % BYTES
        const part = Math.min(BYTES - at, length - done)
        bytes.set(content.subarray(at, at + part), done)
        done += part
      }
      return { bytes, absent: [] }
    },
  }
}

function run(pointerBytes: 4 | 8, content: Uint8Array) {
  const kernelBase = BASE[pointerBytes]
  const start = performance.now()
  const derived = deriveTypes({
    memory: mirrored(pointerBytes, content),
    symbols: symbolsOf({ _stext: kernelBase }),
    kernelBase,
    dtb: 0x1000,
    translate: (_, va) => Number(va % BigInt(BYTES)),
  })
  return { derived, ms: performance.now() - start }
}

describe('hostile memory', () => {
  for (const pointerBytes of [4, 8] as const) {
    const name = `${pointerBytes * 8} bits`
    const base = BASE[pointerBytes]

    it(`finds nothing in noise (${name})`, () => {
      const random = randomFrom(99)
      const { derived, ms } = run(
        pointerBytes,
        Uint8Array.from({ length: BYTES }, () => random(256)),
      )
      expect(derived).toBeUndefined()
      expect(ms).toBeLessThan(LIMIT_MS)
    })

    it(`ends where every word is a pointer and every task is called swapper (${name})`, () => {
      const content = Buffer.alloc(BYTES)
      for (let i = 0; i < BYTES; i += pointerBytes) {
        const to = base + BigInt(((i * 7919) % BYTES) & ~63)
        if (pointerBytes === 8) content.writeBigUInt64LE(to, i)
        else content.writeUInt32LE(Number(to), i)
      }
      for (let i = 0; i < BYTES; i += 512) content.write('swapper/0\0\0\0\0\0\0\0', i, 'latin1')
      expect(run(pointerBytes, content).ms).toBeLessThan(LIMIT_MS)
    })

    it(`ends where list heads point at themselves everywhere (${name})`, () => {
      const content = Buffer.alloc(BYTES)
      for (let i = 0; i < BYTES; i += 2 * pointerBytes)
        for (const half of [0, pointerBytes]) {
          const to = base + BigInt(i)
          if (pointerBytes === 8) content.writeBigUInt64LE(to, i + half)
          else content.writeUInt32LE(Number(to), i + half)
        }
      for (let i = 0; i < BYTES; i += 4096) content.write('swapper/0\0\0\0\0\0\0\0', i + 256, 'latin1')
      expect(run(pointerBytes, content).ms).toBeLessThan(LIMIT_MS)
    })

    it(`ends in endless rings of modules and names (${name})`, () => {
      const content = Buffer.alloc(BYTES)
      for (let i = 0; i < BYTES; i += 64) {
        const next = base + BigInt((i + 64) % BYTES)
        const previous = base + BigInt((i + BYTES - 64) % BYTES)
        for (const [at, to] of [
          [i, next],
          [i + pointerBytes, previous],
        ] as const) {
          if (pointerBytes === 8) content.writeBigUInt64LE(to, at)
          else content.writeUInt32LE(Number(to), at)
        }
        content.write(i % 128 === 0 ? 'kthreadd' : `module${i}`, i + 2 * pointerBytes, 'latin1')
        if (i % 8192 === 0) content.write('swapper/0\0\0\0\0\0\0\0', i + 2 * pointerBytes, 'latin1')
      }
      expect(run(pointerBytes, content).ms).toBeLessThan(LIMIT_MS)
    })
  }

  it('finds nothing where nothing is mapped', () => {
    const memory: VirtualMemory = {
      pointerBytes: 8,
      read: (va, length) => ({
        bytes: new Uint8Array(length),
        absent: [{ va, length, reason: 'not-present' }],
      }),
    }
    const symbols = symbolsOf({})
    const input = { memory, symbols, kernelBase: 0xffff_ffff_8100_0000n, dtb: 0, translate: () => undefined }
    expect(deriveTypes(input)).toBeUndefined()
    expect(deriveTypes({ ...input, kernelBase: 0n })).toBeUndefined()
  })
})
