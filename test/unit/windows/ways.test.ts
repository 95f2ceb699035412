import { describe, expect, it } from 'vitest'
import { findWindows, findWindowsAtOnce } from '../../../src/os/windows/detect/find.js'
import type { FindingWay } from '../../../src/os/windows/kernel.js'
import { buildWindowsGuest, type GuestName, type WindowsGuest } from '../../images/windows/guest.js'

const XP = buildWindowsGuest('xp-sp2-x86')
const PAE = buildWindowsGuest('7-sp1-x86')
const LONG = buildWindowsGuest('11-22000-x64')
const cpus = ({ truth: { registers } }: WindowsGuest) => [{ vcpu: 0, registers }]

describe('each way of finding a Windows kernel', () => {
  it.each<[GuestName, FindingWay, WindowsGuest]>([
    ['xp-sp2-x86', 'self-map', XP],
    ['xp-sp2-x86', 'kpcr', XP],
    ['xp-sp2-x86', 'process', XP],
    ['7-sp1-x86', 'self-map', PAE],
    ['7-sp1-x86', 'process', PAE],
    ['11-22000-x64', 'self-map', LONG],
    ['11-22000-x64', 'kpcr', LONG],
    ['11-22000-x64', 'process', LONG],
  ])('finds that of %s on its own: %s', (_, way, { memory, truth }) => {
    const found = findWindows(memory, { ways: [way] })
    expect(found?.kernel.foundBy[0]).toMatchObject({ way, agrees: true })
    expect(found?.kernel).toMatchObject({ kernelBase: truth.kernelBase, dtb: truth.dtb })
  })

  it('finds that of a 64-bit guest by what boots further processors', () => {
    const found = findWindowsAtOnce(LONG.memory, { ways: ['low-stub'] })
    expect(found?.kernel.foundBy[0]?.way).toBe('low-stub')
    expect(found?.kernel.kernelBase).toBe(LONG.truth.kernelBase)
    const without = buildWindowsGuest('10-19041-x64', { withoutLowStub: true })
    expect(findWindowsAtOnce(without.memory, { ways: ['low-stub'] })).toBeUndefined()
    expect(findWindows(without.memory, {})?.kernel.kernelBase).toBe(without.truth.kernelBase)
  })

  it.each([XP, PAE, LONG])('finds that of $name by registers', guest => {
    const hints = { ways: ['registers' as const], notes: { cpus: cpus(guest) } }
    const found = findWindowsAtOnce(guest.memory, hints)
    expect(found?.kernel.foundBy[0]).toMatchObject({ way: 'registers', agrees: true })
    expect(found?.kernel).toMatchObject({ kernelBase: guest.truth.kernelBase, dtb: guest.truth.dtb })
  })

  it('heeds what an image says of the width of its guest as little as it deserves', () => {
    expect(findWindows(XP.memory, { architecture: 'x86_64' })?.kernel.kernelBase).toBe(XP.truth.kernelBase)
  })
})
