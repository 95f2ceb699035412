/** Layouts derived from data against those that the kernel tells itself, and against its own list of symbols. */
import { expect, it } from 'vitest'
import { type Derived, deriveSymbols, deriveTypes } from '../../../../src/os/linux/derive/derive.js'
import { openAddressSpace } from '../../../../src/paging/address-space.js'
import type { TypeTable } from '../../../../src/symbols/contract.js'
import { describeDump, type OpenDump, useDump } from '../dump.js'

/** Members that every kernel since 5.10 has under these names, and without which no list works. */
const NEEDED = {
  task_struct:
    'tasks pid tgid comm mm real_parent group_leader signal real_cred flags exit_state thread_pid fs files',
  mm_struct: 'pgd start_brk brk start_stack arg_start arg_end env_start env_end exe_file',
  vm_area_struct: 'vm_start vm_end vm_flags vm_file vm_pgoff',
  module: 'list name state',
  cred: 'uid gid euid',
  file: 'f_path f_inode',
  dentry: 'd_parent d_name d_inode d_sb',
  mount: 'mnt mnt_parent mnt_mountpoint',
} as const

function derive({ guest }: OpenDump, work: typeof deriveTypes): Derived | undefined {
  const { memory, symbols, kernelBase, dtb, paging: mode } = guest.kernel
  return work({
    memory,
    symbols,
    kernelBase,
    dtb,
    translate(table, va) {
      const place = openAddressSpace(guest.memory, { mode, dtb: table, kernelDtb: dtb }).translate(va)
      return place.kind === 'mapped' ? place.gpa : undefined
    },
  })
}

/** `state` was renamed in 5.14. */
function told(types: TypeTable, type: string, member: string): number | undefined {
  return (types.member(type, member) ?? types.member(type, member.replace(/^__/, '')))?.offset
}

describeDump('derived layouts', () => {
  const dump = useDump()

  it('derives what the lists of processes, modules and mappings need', () => {
    const types = derive(dump(), deriveTypes)?.types
    for (const [type, members] of Object.entries(NEEDED))
      for (const member of members.split(' '))
        expect(types?.member(type, member), `${type}.${member}`).toBeDefined()
    expect(types?.member('mm_struct', 'mm_mt') ?? types?.member('mm_struct', 'mmap')).toBeDefined()
    expect(types?.member('module', 'mem') ?? types?.member('module', 'core_layout')).toBeDefined()
  })

  it("agrees with the kernel's own types wherever it says something", () => {
    const { types } = dump().guest.kernel
    if (!types.source.includes('btf')) return
    const derived = derive(dump(), deriveTypes)?.types
    const wrong: string[] = []
    let compared = 0
    for (const type of derived?.typeNames() ?? [])
      for (const member of derived?.members(type) ?? []) {
        const offset = derived?.member(type, member)?.offset
        if (told(types, type, member) !== offset) wrong.push(`${type}.${member} = ${offset}`)
        compared++
      }
    expect(wrong).toEqual([])
    expect(compared).toBeGreaterThan(110)
  })

  it('finds init_task, the list of modules and the pid namespace where the kernel has them', () => {
    const own = new Map(
      dump()
        .kallsyms()
        .map(line => [line.split(/\s+/)[2], BigInt(`0x${line.split(' ')[0]}`)]),
    )
    const all = derive(dump(), deriveTypes)?.symbols ?? []
    const few = derive(dump(), deriveSymbols)?.symbols ?? []
    const addresses = new Map(few.map(symbol => [symbol.name, symbol.address]))
    for (const name of ['init_task', 'modules', 'init_pid_ns']) {
      const symbol = all.find(other => other.name === name)
      expect(symbol, name).toBeDefined()
      expect(addresses.get(name), name).toBe(symbol?.address)
      if (own.has(name)) expect(symbol?.address, name).toBe(own.get(name))
    }
    expect(few.length).toBeGreaterThan(50)
  })
})
