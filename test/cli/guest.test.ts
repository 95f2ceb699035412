import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { memoryWith, TestFolder } from './images.js'
import { runCli } from './run-cli.js'

/** The real guest that ships with the project. */
const IMAGE = fileURLToPath(new URL('../../examples/guest.kdump', import.meta.url))
const folder = new TestFolder()
afterAll(() => folder[Symbol.dispose]())

type Fields = Record<string, unknown>

/** Runs a command with --json and returns its objects; nothing may stand on stderr. */
async function objects(...words: string[]): Promise<Fields[]> {
  const { code, stdout, stderr } = await runCli(...words, '--json')
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout
    .trimEnd()
    .split('\n')
    .map(text => JSON.parse(text) as Fields)
}

async function refused(what: RegExp, ...words: string[]): Promise<void> {
  const { code, stdout, stderr } = await runCli(...words)
  expect(stderr).toMatch(/^vmsift: [^\n]+\n$/)
  expect(stderr).toMatch(what)
  expect(stdout).toBe('')
  expect(code).toBe(2)
}

const isMatch = ({ type }: Fields): boolean => type === 'match'

const HEX = /^0x(0|[1-9a-f][0-9a-f]*)$/

describe('commands on the system of a guest', () => {
  it('info names the kernel', async () => {
    const [info] = await objects('info', IMAGE)
    expect(info).toMatchObject({
      architecture: 'x86_64',
      os: { family: 'linux', symbols: 'kallsyms', types: 'btf' },
    })
    const os = info?.['os'] as Fields
    expect(os['version']).toMatch(/^6\.\d/)
    for (const field of ['kernelBase', 'kaslrOffset', 'dtb']) expect(os[field]).toMatch(HEX)
  })

  it('ps lists processes with the fields of the contract, idle tasks not', async () => {
    const rows = await objects('ps', IMAGE)
    expect(rows[0]).toMatchObject({ pid: 1, ppid: 0, name: 'init', threads: 1, uid: 0, kernelThread: false })
    expect(rows[0]?.['dtb']).toMatch(HEX)
    expect(rows[0]?.['startTime']).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(rows.find(row => row['pid'] === 2)).toMatchObject({
      name: 'kthreadd',
      dtb: null,
      kernelThread: true,
    })
    expect(rows.find(row => row['name'] === 'shop-server')).toMatchObject({
      ppid: 1,
      arguments: ['shop-server'],
    })
    expect(rows.map(row => row['pid'])).not.toContain(0)
    expect(new Set(rows.map(row => row['pid'])).size).toBe(rows.length)
  })

  it('ps --check finds each process in three ways', async () => {
    const rows = await objects('ps', IMAGE, '--check')
    const listed = rows.filter(row => row['verdict'] === 'listed')
    expect(listed.length).toBe((await objects('ps', IMAGE)).length)
    for (const row of listed) expect(row['sources']).toEqual({ taskList: true, pidTable: true, scan: true })
    expect(rows.filter(row => row['verdict'] === 'hidden')).toEqual([])
  })

  it('modules lists them, and finds none hidden', async () => {
    const rows = await objects('modules', IMAGE, '--check')
    expect(rows.map(row => row['name'])).toContain('qemu_fw_cfg')
    for (const row of rows) expect([row['verdict'], HEX.test(String(row['base']))]).toEqual(['listed', true])
  })

  it('maps prints mappings as /proc does', async () => {
    const [shop] = (await objects('ps', IMAGE)).filter(row => row['name'] === 'shop-server')
    const rows = await objects('maps', IMAGE, '--pid', String(shop?.['pid']))
    expect(rows[0]).toMatchObject({ start: '0x400000', flags: 'r--p', path: '/init' })
    expect(rows.map(row => row['path'])).toEqual(expect.arrayContaining(['[heap]', '[stack]', '[vdso]']))
  })

  it('symbols, translate and read agree with each other', async () => {
    const [symbol] = await objects('symbols', IMAGE, 'linux_banner')
    const [walk] = await objects('translate', IMAGE, 'linux_banner')
    expect(walk).toMatchObject({ va: symbol?.['address'], present: true })
    const levels = walk?.['levels'] as Fields[] | undefined
    expect(levels?.map(level => level['name'])).toEqual(['pml4e', 'pdpte', 'pde'])
    const [byName] = await objects('read', IMAGE, 'linux_banner', '--length', '13')
    const [physical] = await objects('read', IMAGE, String(walk?.['pa']), '--length', '13')
    const [virtual] = await objects('read', IMAGE, String(symbol?.['address']), '--kernel', '--length', '13')
    expect(Buffer.from(String(byName?.['data']), 'hex').toString()).toBe('Linux version')
    expect([physical?.['data'], virtual?.['data']]).toEqual([byName?.['data'], byName?.['data']])
  })

  it('shows an absent page as a result', async () => {
    const [walk] = await objects('translate', IMAGE, '0x10', '--pid', '1')
    expect(walk).toMatchObject({
      va: '0x10',
      pa: null,
      present: false,
      pageSize: null,
      reason: 'not-present',
    })
    const { code, stdout } = await runCli('read', IMAGE, '0x10', '--pid', '1', '--length', '8', '--json')
    expect(JSON.parse(stdout)).toEqual({
      address: '0x10',
      length: 8,
      data: '00'.repeat(8),
      gaps: [{ va: '0x10', length: 8, reason: 'not-present' }],
    })
    expect(code).toBe(3)
  })

  it('lists files, mounts, sockets, threads, the log and an environment', async () => {
    expect(await objects('files', IMAGE, '--pid', '1')).toEqual(
      expect.arrayContaining([expect.objectContaining({ fd: 0, path: '/dev/console', access: 'rw' })]),
    )
    expect((await objects('mounts', IMAGE)).map(row => row['mountPoint'])).toContain('/proc')
    expect((await objects('net', IMAGE)).map(row => row['kind'])).toContain('netlink')
    expect((await objects('threads', IMAGE)).length).toBeGreaterThanOrEqual(
      (await objects('ps', IMAGE)).length,
    )
    expect((await objects('dmesg', IMAGE))[0]?.['text']).toMatch(/^Linux version/)
    const [shop] = (await objects('ps', IMAGE)).filter(row => row['name'] === 'shop-server')
    expect(await objects('env', IMAGE, '--pid', String(shop?.['pid']))).toContainEqual({
      name: 'SHOP_CONFIG',
      value: '/etc/shop.conf',
    })
  })

  it('scans memory of processes, also with a symbol file beside what the guest tells', async () => {
    const words = ['scan', IMAGE, '--text', 'vmsift-demo', '--space', 'processes', '--sort']
    const found = await objects(...words)
    expect(found.find(({ type }) => type === 'match')).toMatchObject({ scanner: 'text', length: 11 })
    const file = folder.file('System.map', (await runCli('symbols', IMAGE)).stdout)
    const withFile = await objects(...words, '--symbols', file)
    expect(withFile.filter(isMatch)).toEqual(found.filter(isMatch))
    await refused(/no such symbol file/, ...words, '--symbols', `${file}.not`)
  })

  it('finds no hooks in a guest that has none', async () => {
    const { code, stdout, stderr } = await runCli('integrity', IMAGE, '--json')
    expect([code, stdout, stderr]).toEqual([0, '', ''])
    // good news counts only when it says what was looked at
    const table = (await runCli('integrity', IMAGE)).stdout
    expect(table).toMatch(
      /\n0 findings; looked at [1-9]\d* of sys_call_table, 256 of idt_table, [1-9]\d* of operations/,
    )
  })

  it('prints tables for a person', async () => {
    const { stdout } = await runCli('ps', IMAGE)
    expect(stdout).toMatch(/^ ?PID +PPID +UID +THREADS +STATE +STARTED +DTB +NAME +COMMAND\n/)
    expect((await runCli('symbols', IMAGE, 'init_task')).stdout).toMatch(/^[0-9a-f]{16} D init_task\n$/)
  })
})

describe('mistakes', () => {
  it('names a process that is not there, or has no memory of its own', async () => {
    await refused(/no process 4999/, 'maps', IMAGE, '--pid', '4999')
    await refused(/process 2 is a kernel thread/, 'maps', IMAGE, '--pid', '2')
    await refused(/--pid/, 'maps', IMAGE)
    await refused(/--pid must be between/, 'maps', IMAGE, '--pid', '0')
  })

  it('names a symbol that is not there', async () => {
    await refused(/no symbol no_such/, 'symbols', IMAGE, 'no_such')
    const some = await runCli('symbols', IMAGE, 'no_such', 'init_task')
    expect(some.stdout).toMatch(/^[0-9a-f]{16} D init_task\n$/)
    expect(some.stderr).toBe('vmsift: the kernel has no symbol no_such\n')
    expect(some.code).toBe(2)
    await refused(/no symbol no_such/, 'read', IMAGE, 'no_such')
  })

  it('says that there is no guest in memory without one', () =>
    refused(
      /no system was recognised/,
      'ps',
      folder.file('empty.raw', memoryWith(1 << 20, { 100: 'nothing' })),
    ))
})
