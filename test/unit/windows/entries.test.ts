import { describe, expect, it } from 'vitest'
import { isFileNumberMoved, windowsAbsent, windowsMode } from '../../../src/os/windows/detect/candidate.js'
import {
  absentDecoder,
  ENTRY_ABSENT,
  ENTRY_DEMAND_ZERO,
  ENTRY_PROTOTYPE,
  ENTRY_SWAPPED,
  ENTRY_TRANSITION,
  maskedDecoderName,
} from '../../../src/paging/absent.js'

const words = (entry: bigint): [number, number] => [
  Number(BigInt.asIntN(32, entry)),
  Number(BigInt.asIntN(32, entry >> 32n)),
]

describe('where the number of a page file stands', () => {
  it.each([
    [7601, '7601.17514.amd64fre.win7sp1_rtm.101119-1850', false],
    [7601, '7601.24214.amd64fre.win7sp1_ldr_escrow.180801-1700', true],
    [17134, '17134.1.amd64fre.rs4_release.180410-1804', false],
    [17134, '17134.228.amd64fre.rs4_release_svc.180814-1200', true],
    [17134, undefined, true],
    [16299, undefined, false],
    [17763, '17763.1.amd64fre.rs5_release.180914-1434', true],
    [26100, undefined, true],
  ])('build %i, %s: moved %s', (build, label, moved) => {
    expect(isFileNumberMoved(build, label)).toBe(moved)
  })
})

describe('entries of 64-bit Windows that are not valid', () => {
  const plain = absentDecoder('windows-x86-64-file12')
  const masked = absentDecoder('windows-x86-64-mask45')

  it('are told by their bits, with the mask taken off where nothing says that it was there before', () => {
    const mask = 1n << 45n
    const kinds: [bigint, number][] = [
      [0x80n, ENTRY_DEMAND_ZERO],
      [(0x1234n << 32n) | 0x80n, ENTRY_SWAPPED],
      [0x1234_5880n, ENTRY_TRANSITION],
      [(0xffff_8504_2900_0040n << 16n) | 0x480n, ENTRY_PROTOTYPE],
    ]
    for (const [entry, kind] of kinds) {
      expect(plain.classify(...words(BigInt.asUintN(64, entry)), true)).toBe(kind)
      expect(masked.classify(...words(BigInt.asUintN(64, entry | mask)), true)).toBe(kind)
    }
    // a page file's place that has the bit itself
    const own = (0x2000n << 32n) | 0x90n
    expect(masked.classify(...words(own), true)).toBe(ENTRY_SWAPPED)
    expect(masked.slot(own)).toEqual({ type: 0, offset: 0x2000 })
    expect(masked.slot((0x2007n << 32n) | 0x1080n)).toEqual({ type: 1, offset: 7 })
  })

  it('lead to prototypes in the kernel only, and to none where the descriptor must tell', () => {
    const address = (entry: bigint) => plain.prototype(...words(BigInt.asUintN(64, entry)))
    expect(address((0xffff_8504_2900_0040n << 16n) | 0x480n)).toBe(Number(-0x7afb_d6ff_ffc0n))
    expect(address((0x7ff6_1234_5678n << 16n) | 0x480n)).toBeNaN()
    expect(address(0xffff_ffff_0000_0480n)).toBeNaN()
    const cleared = BigInt.asUintN(64, 0xffff_8504_0900_0040n << 16n)
    expect(masked.prototype(...words(cleared | (1n << 45n) | 0x480n))).toBe(Number(-0x7afb_f6ff_ffc0n))
    expect(masked.prototype(...words(cleared | (1n << 45n) | 0x490n))).toBe(Number(-0x7afb_d6ff_ffc0n))
  })

  it('that hold the address of a section are in a file, not in memory or in the page file', () => {
    for (const entry of [0xffff_8504_2900_0840n, 0xffff_8504_2900_0240n])
      expect(plain.classify(...words(entry), true)).toBe(ENTRY_ABSENT)
  })

  it('have a mask of one bit that no frame reaches', () => {
    expect(maskedDecoderName(45)).toBe('windows-x86-64-mask45')
    expect(maskedDecoderName(35)).toBeUndefined()
    expect(maskedDecoderName(52)).toBeUndefined()
    const names = windowsAbsent(windowsMode('4-level'), { fileNumberMoved: true, maskBit: 60 })
    expect(names).toBe('windows-x86-64-file12')
  })
})

describe('entries of 32-bit Windows without PAE', () => {
  it('lead to prototypes by their distance from the paged pool in 5.x, from the middle of the addresses later', () => {
    const old = absentDecoder(windowsAbsent(windowsMode('ia32-pse'), { before6: true }))
    const recent = absentDecoder(windowsAbsent(windowsMode('ia32-pse')))
    // 0xe1234568, as MiProtoAddressForPte of mi386.h makes it, and as _MMPTE_PROTOTYPE of 6.0 and 6.1 has it
    expect(old.prototype(0x8d14b4 | 0x400, 0)).toBe(0xe1234568)
    expect(recent.prototype(((0x61234568 >>> 10) << 11) | ((0x61234568 & 0x3fc) >>> 1) | 0x400, 0)).toBe(
      0xe1234568,
    )
    expect(old.prototype(0xfffff480 | 0, 0)).toBeNaN()
    expect(recent.prototype(0xfffff480 | 0, 0)).toBeNaN()
  })
})
