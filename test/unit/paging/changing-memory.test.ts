import { describe, expect, it } from 'vitest'
import type { ChangingMemory, PhysicalMemory } from '../../../src/core/memory.js'
import { openAddressSpace } from '../../../src/paging/address-space.js'
import { pagingMode } from '../../../src/paging/modes.js'
import { FlatMemory } from '../../images/flat-memory.js'

describe('an address space of memory that changes', () => {
  it('sees what the guest did to its tables once the guest had time to run', () => {
    const bytes = Buffer.alloc(6 * 4096)
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    for (const level of [0, 1, 2]) view.setBigUint64(level * 4096, BigInt((level + 1) * 4096) | 3n, true)
    const map = (page: number): void => view.setBigUint64(3 * 4096, BigInt(page * 4096) | 3n, true)
    let ran = false
    const memory: PhysicalMemory & ChangingMemory = Object.assign(new FlatMemory(bytes), {
      changed: () => ran,
    })
    const space = openAddressSpace(memory, { mode: pagingMode('x86_64'), dtb: 0 })
    map(4)
    expect(space.translate(0n)).toMatchObject({ gpa: 4 * 4096 })
    bytes.fill(0xaa, 5 * 4096)
    map(5)
    expect(space.translate(0n)).toMatchObject({ gpa: 4 * 4096 })
    expect(space.read(0n, 1).bytes).toEqual(Uint8Array.of(0))
    ran = true
    expect(space.translate(0n)).toMatchObject({ gpa: 5 * 4096 })
    expect(space.read(0n, 1).bytes).toEqual(Uint8Array.of(0xaa))
  })
})
