import { describe, expect, it } from 'vitest'
import { DerivedTypes } from '../../../src/os/linux/derive/layout.js'

describe('DerivedTypes', () => {
  const types = new DerivedTypes(8)
  types.set('mount', 'mnt', 0x20, 'two mounts', { bytes: 32, typeName: 'vfsmount', embedded: true })
  types.set('mount', 'mnt_parent', 0x10, undefined, { typeName: 'mount' })
  types.set('vfsmount', 'mnt_root', 8, undefined, { typeName: 'dentry' })
  types.set('dentry', 'd_parent', 0x18)
  types.set('mm_struct', 'context.vdso', 0x370)
  types.setSize('maple_node', 256)
  types.setEnumerator('maple_leaf_64', 1)

  it('goes through structures inside others, not through pointers', () => {
    expect(types.member('mount', 'mnt.mnt_root')).toEqual({ offset: 0x28, bytes: 8, typeName: 'dentry' })
    expect(types.member('mount', 'mnt_parent')).toEqual({ offset: 0x10, bytes: 8, typeName: 'mount' })
    expect(types.member('mount', 'mnt_parent.mnt')).toBeUndefined()
    expect(types.member('mount', 'mnt.mnt_root.d_parent')).toBeUndefined()
  })

  it('knows a path whose middle is not known', () => {
    expect(types.member('mm_struct', 'context.vdso')?.offset).toBe(0x370)
    expect(types.member('mm_struct', 'context')).toBeUndefined()
    expect(types.members('mm_struct')).toEqual([])
  })

  it('has nothing that was not derived', () => {
    expect(types.member('mount', 'mnt_devname')).toBeUndefined()
    expect(types.member('nothing', 'x')).toBeUndefined()
    expect(types.members('nothing')).toBeUndefined()
    expect(types.sizeOf('mount')).toBeUndefined()
    expect(types.sizeOf('maple_node')).toBe(256)
    expect(types.enumerator('maple_leaf_64')).toBe(1)
  })

  it('tells the evidence of what has one', () => {
    expect(types.evidence).toEqual(['mount.mnt = 0x20 (two mounts)'])
  })
})
