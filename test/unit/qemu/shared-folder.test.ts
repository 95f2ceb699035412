/** What is removed and opened in folders that another user may change. */

import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSharedFile, removeSharedFolder } from '../../../src/qemu/shared-folder.js'

describe('a folder that another user may change', () => {
  let top: string
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'vmsift-shared-'))
  })
  afterEach(() => rmSync(top, { recursive: true, force: true }))

  it('leads to no file elsewhere when a symbolic link stands in its place', () => {
    mkdirSync(join(top, 'bin'))
    writeFileSync(join(top, 'bin', 'gdb'), 'a program')
    symlinkSync(join(top, 'bin'), join(top, 'vmsift-gdb-x'))
    removeSharedFolder(join(top, 'vmsift-gdb-x'), () => true)
    expect(readdirSync(join(top, 'bin'))).toEqual(['gdb'])
  })

  it('is removed with what is picked, and stays when something else is in it', async () => {
    const folder = join(top, 'vmsift-gdb-y')
    mkdirSync(folder)
    const server = createServer()
    await new Promise<void>(resolve => server.listen(join(folder, 'gdb'), resolve))
    writeFileSync(join(folder, 'other'), '')
    removeSharedFolder(folder, (name, stat) => name === 'gdb' && stat.isSocket())
    expect(readdirSync(folder)).toEqual(['other'])
    removeSharedFolder(folder, (_name, stat) => stat.isFile())
    expect(existsSync(folder)).toBe(false)
    removeSharedFolder(folder, () => true)
    await new Promise(resolve => server.close(resolve))
  })

  it('makes nobody wait for a pipe, or read through a link', () => {
    spawnSync('mkfifo', [join(top, 'pipe')])
    writeFileSync(join(top, 'file'), 'x')
    symlinkSync(join(top, 'file'), join(top, 'link'))
    expect(openSharedFile(join(top, 'pipe'))).toBeUndefined()
    expect(openSharedFile(join(top, 'link'))).toBeUndefined()
    const fd = openSharedFile(join(top, 'file'))
    expect(fd).toBeTypeOf('number')
    if (fd !== undefined) closeSync(fd)
  })
})
