import { describe, expect, test } from 'vitest'
import { checkIntegrity } from '../../../src/os/linux/integrity.js'
import { interruptGates } from '../../../src/os/linux/interrupt-gates.js'
import { crossCheckModules } from '../../../src/os/linux/module-crosscheck.js'
import { modules } from '../../../src/os/linux/modules.js'
import { systemCalls } from '../../../src/os/linux/system-calls.js'
import { Problems } from '../../../src/os/problem.js'
import type { SymbolTable } from '../../../src/symbols/contract.js'
import { type DemoGuest, openDemo } from '../../helpers/demo-kernel.js'

function find(guest: DemoGuest, name: string) {
  const module = modules(guest.kernel).items.find(item => item.name === name)
  if (module === undefined) throw new Error(`no module ${name}`)
  return module
}

function hide(guest: DemoGuest, name: string): bigint {
  const { address } = find(guest, name)
  guest.unlink(address + guest.offset('module', 'list'))
  return address
}

describe('modules of a real guest', () => {
  test('lists them as /proc/modules does', async () => {
    const guest = await openDemo()
    const { items, problems } = modules(guest.kernel)
    expect(problems).toEqual([])
    expect(items.map(({ name, size, state }) => [name, size, state])).toEqual([
      ['dummy', 16384, 'live'],
      ['qemu_fw_cfg', 20480, 'live'],
    ])
    expect(items.every(({ base, ranges }) => ranges[0]?.start === base && base % 4096n === 0n)).toBe(true)
  })

  test('every way of looking finds the same ones', async () => {
    const guest = await openDemo()
    const { items, available, problems } = crossCheckModules(guest.kernel, guest.memory)
    expect(problems).toEqual([])
    expect(available).toEqual({ list: true, sysfs: true, tree: true, memory: true })
    expect(
      items.map(({ module, verdict, sources }) => [module.name, verdict, Object.values(sources)]),
    ).toEqual([
      ['dummy', 'listed', [true, true, true, true]],
      ['qemu_fw_cfg', 'listed', [true, true, true, true]],
    ])
  })
})

describe('modules that hide', () => {
  test('one that left the list is still in sysfs, in the tree and in memory', async () => {
    const guest = await openDemo()
    hide(guest, 'dummy')
    expect(modules(guest.kernel).items.map(({ name }) => name)).toEqual(['qemu_fw_cfg'])
    expect(
      crossCheckModules(guest.kernel, guest.memory).items.filter(({ verdict }) => verdict === 'hidden'),
    ).toMatchObject([
      { module: { name: 'dummy' }, sources: { list: false, sysfs: true, tree: true, memory: true } },
    ])
  })

  test('one that left every list is found in memory', async () => {
    const guest = await openDemo()
    const address = hide(guest, 'dummy')
    guest.unlink(address + guest.offset('module', 'mkobj.kobj.entry'))
    guest.pointer(guest.symbol('mod_tree') + guest.offset('mod_tree_root', 'root.tree'), 0n)
    guest.pointer(guest.symbol('mod_tree') + guest.offset('mod_tree_root', 'root.tree') + 8n, 0n)
    expect(
      crossCheckModules(guest.kernel, guest.memory).items.filter(({ verdict }) => verdict === 'hidden'),
    ).toMatchObject([
      { module: { name: 'dummy' }, sources: { list: false, sysfs: false, tree: false, memory: true } },
    ])
  })
})

describe('pointers to code', () => {
  test('all of an honest guest lead where they should', async () => {
    const guest = await openDemo()
    const { items, problems, checked } = checkIntegrity(guest.kernel, guest.memory)
    expect(items).toEqual([])
    expect(problems).toEqual([])
    expect(checked.get('sys_call_table')).toBe(451)
    expect(checked.get('idt_table')).toBe(256)
    expect(checked.get('operations')).toBeGreaterThan(5000)
  })

  test('a system call that leads into a module, or nowhere, is told with its number', async () => {
    const guest = await openDemo()
    const table = guest.symbol('sys_call_table')
    const { base } = find(guest, 'dummy')
    guest.pointer(table + 59n * 8n, base + 0x20n)
    guest.pointer(table + 450n * 8n, 0xffff_c900_1234_5678n)
    expect(checkIntegrity(guest.kernel, guest.memory).items).toEqual([
      { where: 'sys_call_table', index: 59, address: base + 0x20n, owner: { kind: 'module', name: 'dummy' } },
      { where: 'sys_call_table', index: 450, address: 0xffff_c900_1234_5678n, owner: { kind: 'nobody' } },
    ])
  })

  test('an interrupt gate that leads out of the kernel is told with its vector', async () => {
    const guest = await openDemo()
    const gate = guest.symbol('idt_table') + 14n * 16n
    guest.write(gate, Uint8Array.of(0x34, 0x12))
    guest.write(gate + 6n, Uint8Array.of(0x80, 0xc0, 0xff, 0xff, 0xff, 0xff))
    expect(checkIntegrity(guest.kernel, guest.memory).items).toMatchObject([
      { where: 'idt_table', index: 14, address: 0xffff_ffff_c080_1234n },
    ])
  })

  test('a table of operations that leads into the code of a hidden module is told', async () => {
    const guest = await openDemo()
    const { base } = find(guest, 'dummy')
    hide(guest, 'dummy')
    guest.pointer(guest.symbol('tcp4_seq_ops') + guest.offset('seq_operations', 'show'), base + 0x40n)
    expect(checkIntegrity(guest.kernel, guest.memory).items).toEqual([
      { where: 'tcp4_seq_ops', index: 3, address: base + 0x40n, owner: { kind: 'nobody' } },
    ])
  })

  test('a function that starts with a jump out of the kernel is told, whichever way it jumps', async () => {
    const target = 0xffff_c900_0012_3000n
    const far = Buffer.alloc(8)
    far.writeBigUInt64LE(target)
    const ways: readonly (readonly number[])[] = [
      [0x48, 0xb8, ...far, 0xff, 0xe0],
      [0x48, 0xb8, ...far, 0x50, 0xc3],
      [0xff, 0x25, 0, 0, 0, 0, ...far],
      [0x0f, 0x1f, 0x44, 0x00, 0x00, 0x48, 0xb8, ...far, 0xff, 0xe0],
      [0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0xb8, ...far, 0xff, 0xe0],
    ]
    for (const code of ways) {
      const guest = await openDemo()
      guest.write(guest.symbol('__x64_sys_getdents64'), Uint8Array.from(code))
      expect(checkIntegrity(guest.kernel, guest.memory).items).toMatchObject([
        { where: '__x64_sys_getdents64', address: target, owner: { kind: 'nobody' } },
      ])
    }
  })

  test('a near jump into a hidden module is told, one into a known module is not', async () => {
    const guest = await openDemo()
    const { base } = find(guest, 'dummy')
    const start = guest.symbol('__x64_sys_kill')
    const code = Buffer.alloc(5, 0xe9)
    code.writeInt32LE(Number(base - start - 5n), 1)
    guest.write(start, code)
    expect(checkIntegrity(guest.kernel, guest.memory).items).toEqual([])
    hide(guest, 'dummy')
    expect(checkIntegrity(guest.kernel, guest.memory).items).toEqual([
      { where: '__x64_sys_kill', index: 0, address: base, owner: { kind: 'nobody' } },
    ])
  })

  test('tables of system calls and gates are found by what they lead to where kallsyms has functions only', async () => {
    const guest = await openDemo()
    const { symbols } = guest.kernel
    const functions: SymbolTable = {
      source: symbols.source,
      size: symbols.size,
      addressOf: name => (/^(sys_call|idt)_table$/.test(name) ? undefined : symbols.addressOf(name)),
      all: name => symbols.all(name),
      nearest: address => symbols.nearest(address),
      entries: () => symbols.entries(),
    }
    const kernel = { ...guest.kernel, symbols: functions }
    expect(systemCalls(kernel, guest.structs, 'sys_call_table')).toEqual(
      systemCalls(guest.kernel, guest.structs, 'sys_call_table'),
    )
    const problems = new Problems()
    const gates = interruptGates(kernel, guest.structs, problems)
    expect(gates).toHaveLength(256)
    expect(gates).toEqual(interruptGates(guest.kernel, guest.structs, problems))
    // a landmark that was changed does not mislead it
    guest.pointer(guest.symbol('sys_call_table') + 62n * 8n, 0xffff_c900_1234_5678n)
    expect(checkIntegrity(kernel, guest.memory).items).toMatchObject([{ where: 'sys_call_table', index: 62 }])
  })
})
