import { expect, test } from 'vitest'
import { crossCheckProcesses } from '../../../src/os/linux/crosscheck.js'
import { checkIntegrity } from '../../../src/os/linux/integrity.js'
import { maps } from '../../../src/os/linux/maps.js'
import { crossCheckModules } from '../../../src/os/linux/module-crosscheck.js'
import { modules } from '../../../src/os/linux/modules.js'
import { processes } from '../../../src/os/linux/processes.js'
import { threads } from '../../../src/os/linux/threads.js'
import { type DemoGuest, openDemo } from '../../helpers/demo-kernel.js'

/** Structures worth breaking, and how long they are. */
interface Victim {
  readonly address: bigint
  readonly bytes: number
}

function victims(guest: DemoGuest): Victim[] {
  const { types } = guest.kernel
  const found: Victim[] = []
  const add = (address: bigint | undefined, type: string): void => {
    if (address !== undefined && address !== 0n) found.push({ address, bytes: types.sizeOf(type) ?? 64 })
  }
  const pointer = (address: bigint, type: string, member: string): bigint | undefined =>
    guest.structs.pointer(address + guest.offset(type, member))
  for (const { address, mmAddress } of processes(guest.kernel, guest.memory).items) {
    add(address, 'task_struct')
    add(pointer(address, 'task_struct', 'signal'), 'signal_struct')
    add(pointer(address, 'task_struct', 'thread_pid'), 'pid')
    add(pointer(address, 'task_struct', 'real_cred'), 'cred')
    add(mmAddress, 'mm_struct')
    for (const vma of maps(guest.kernel, mmAddress).items) {
      add(vma.address, 'vm_area_struct')
      add(pointer(vma.address, 'vm_area_struct', 'vm_file'), 'file')
    }
    if (mmAddress === undefined) continue
    const root = pointer(mmAddress, 'mm_struct', 'mm_mt.ma_root')
    add(root === undefined ? undefined : root & ~0xffn, 'maple_node')
  }
  for (const { address } of modules(guest.kernel).items) add(address, 'module')
  add(guest.symbol('init_task'), 'task_struct')
  add(guest.symbol('init_pid_ns'), 'pid_namespace')
  add(guest.symbol('modules'), 'list_head')
  return found
}

/** A small generator, so that a failure can be repeated by its seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test('structures broken at random never throw, never hang, and never make lists without end', async () => {
  const found = victims(await openDemo())
  expect(found.length).toBeGreaterThan(200)
  const pick = (random: (below: number) => number): Victim => found[random(found.length)] as Victim
  let slowest = 0
  for (let seed = 1; seed <= 60; seed++) {
    const guest = await openDemo()
    const random = randomOf(seed)
    for (let i = 0; i < 400; i++) {
      const { address, bytes } = pick(random)
      const values = [
        0n,
        0xffff_ffff_ffff_ffffn,
        address,
        pick(random).address,
        pick(random).address + BigInt(random(512)),
        BigInt(random(2 ** 32)),
        0xffff_8880_0000_0000n + BigInt(random(2 ** 27)),
      ]
      guest.pointer(
        address + BigInt(random(Math.floor(bytes / 8)) * 8),
        values[random(values.length)] as bigint,
      )
    }
    const started = performance.now()
    const list = processes(guest.kernel, guest.memory).items
    for (const { address, mmAddress } of list) {
      maps(guest.kernel, mmAddress)
      threads(guest.kernel, address)
    }
    modules(guest.kernel)
    expect(list.length).toBeLessThan(1000)
    if (seed % 10 === 0) {
      crossCheckProcesses(guest.kernel, guest.memory)
      crossCheckModules(guest.kernel, guest.memory)
      checkIntegrity(guest.kernel, guest.memory)
    }
    slowest = Math.max(slowest, performance.now() - started)
  }
  expect(slowest).toBeLessThan(10_000)
}, 120_000)
