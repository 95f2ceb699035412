import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Access, CodeFetch } from '../../../src/os/windows/code/accessor.js'
import { decodeArm64 } from '../../../src/os/windows/code/arm64.js'
import { decodeX86 } from '../../../src/os/windows/code/x86.js'

const fetchOf =
  (code: Buffer): CodeFetch =>
  (offset, length) =>
    offset >= 0 && offset + length <= code.length ? code.subarray(offset, offset + length) : undefined
const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const x86 = (text: string) => decodeX86(fetchOf(bytes(text)), 32)
const x64 = (text: string) => decodeX86(fetchOf(bytes(text)), 64)

const load = (...steps: number[]): Partial<Access> => ({ root: 'argument', kind: 'load', steps })
const address = (step: number): Partial<Access> => ({ root: 'argument', kind: 'address', steps: [step] })

describe('accessors in machine code', () => {
  it.each([
    // printed by the kernel debugger in public articles (XP SP2: OSR, The NT Insider 13.4)
    ['with hot-patch and frame', '8bff 55 8bec 8b4508 0574010000 5d c20400', address(0x174)],
    ['load with frame', '8bff 55 8bec 8b4508 8b8084000000 5d c20400', load(0x84)],
    ['with frame, without hot-patch', '55 8bec 8b4508 8b80b4000000 5d c20400', load(0xb4)],
    ['frame made by the other encoding', '55 89e5 8b4508 8b8094000000 5d c20400', load(0x94)],
    ['without frame', '8b442404 8b8094000000 c20400', load(0x94)],
    ['lea without frame', '8b442404 8d8064010000 c20400', address(0x164)],
    ['add of a sign-extended byte', '8b442404 83c070 c20400', address(0x70)],
    ['two halves of a time', '8bff 55 8bec 8b4508 8b90a4000000 8b80a0000000 5d c20400', load(0xa0)],
    ['by way of another register', '8b4c2404 8b91b4000000 8bc2 c20400', load(0xb4)],
    ['with an end branch and a long nop', 'f30f1efb 0f1f4000 8b442404 8b8094000000 c20400', load(0x94)],
    ['behind a jump', 'eb05 cccccccccc 8b442404 8b8094000000 c20400', load(0x94)],
  ])('tells x86: %s', (_, code, wanted) => {
    expect(x86(code)).toMatchObject({ ...wanted, complete: true })
  })

  it.each([
    ['a load', '488b8180010000 c3', load(0x180)],
    ['a load of 32 bits', '8b81d4070000 c3', load(0x7d4)],
    ['an address', '488d81e0020000 c3', address(0x2e0)],
    ['a short displacement', '488b4128 c3', load(0x28)],
    ['an addition', '488bc1 4805a8050000 c3', address(0x5a8)],
    ['spilled to the stack', '48894c2408 488b442408 488b8040040000 c3', load(0x440)],
    ['with a frame of its own', '4883ec28 488b8140040000 4883c428 c3', load(0x440)],
    ['with an end branch', 'f30f1efa 488b8140040000 c3', load(0x440)],
    ['behind a jump', 'e900000000 488b8140040000 c3', load(0x440)],
    ['through a register above eight', '4c8bc1 498b8040040000 c3', load(0x440)],
  ])('tells x86-64: %s', (_, code, wanted) => {
    expect(x64(code)).toMatchObject({ ...wanted, complete: true })
  })

  it('tells what is looked at before it is followed', () => {
    // PsGetProcessSessionId, PsGetProcessWow64Process: NULL is told apart
    expect(x64('488b8158050000 4885c0 7404 8b4008 c3')).toMatchObject({ ...load(0x558), complete: false })
    expect(x64('488b8980050000 33c0 4885c9 7403 488b01 c3')).toMatchObject({
      ...load(0x580),
      complete: false,
    })
  })

  it("tells what starts from the current thread's process", () => {
    const wanted = { root: 'thread', kind: 'load', complete: true }
    const code = '65488b042588010000 488b88b8000000 488b8140080000 c3'
    expect(x64(code)).toMatchObject({ ...wanted, steps: [0xb8, 0x840] })
    expect(x86('64a124010000 8b4044 8b80a8000000 c3')).toMatchObject({ ...wanted, steps: [0x44, 0xa8] })
  })

  it.each([
    ['nothing but a return', 'c3'],
    ['the argument itself', '488bc1 c3'],
    ['a call', 'e811223344 488b8140040000 c3'],
    ['a global', '488b0511223344 c3'],
    ['an indexed load', '488b84d140040000 c3'],
    ['a shifted flag', '8b8164040000 c1e802 2401 c3'],
    ['half of a pointer', '488b8140040000 8bc0 c3'],
    ['an endless jump', 'ebfe'],
    ['code that is cut off', '488b81'],
  ])('tells nothing of %s', (_, code) => {
    expect(x64(code)).toBeUndefined()
  })

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom<32 | 64>(32, 64), (code, bits) => {
        decodeX86(fetchOf(Buffer.from(code)), bits)
        decodeArm64(fetchOf(Buffer.from(code)))
      }),
    )
  })

  it('tells any displacement in any of the usual shapes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x1fff }), offset => {
        const disp = Buffer.alloc(4)
        disp.writeInt32LE(offset)
        const hex = disp.toString('hex')
        expect(x64(`488b81${hex} c3`)?.steps).toEqual([offset])
        expect(x64(`488d81${hex} c3`)).toMatchObject(address(offset))
        expect(x86(`55 8bec 8b4508 8b80${hex} 5d c20400`)?.steps).toEqual([offset])
        expect(x86(`8b442404 05${hex} c20400`)).toMatchObject(address(offset))
      }),
    )
  })

  it.each([
    ['a load', [0xf9422000, 0xd65f03c0], load(0x440)],
    ['a load of 32 bits', [0xb947d400, 0xd65f03c0], load(0x7d4)],
    ['an address', [0x9116a000, 0xd65f03c0], address(0x5a8)],
    ['by way of another register', [0xf9422008, 0xaa0803e0, 0xd65f03c0], load(0x440)],
    ['with a landing pad', [0xd503245f, 0xf9422000, 0xd65f03c0], load(0x440)],
    ['a load with a byte offset', [0xf8410000, 0xd65f03c0], load(0x10)],
  ])('tells A64: %s', (_, words, wanted) => {
    const code = Buffer.alloc(words.length * 4)
    words.forEach((word, i) => void code.writeUInt32LE(word, i * 4))
    expect(decodeArm64(fetchOf(code))).toMatchObject({ ...wanted, complete: true })
  })
})
