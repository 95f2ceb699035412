/** The command line's answers about a Windows guest, against what the generator wrote. */
import { afterAll, describe, expect, it, vi } from 'vitest'
import { hex } from '../../../src/index.js'
import { parseLines, runCli } from '../../cli/run-cli.js'
import { GuestFiles } from './guests.js'

const files = new GuestFiles()
// many processes at once, on a machine that may be busy
vi.setConfig({ testTimeout: 180_000 })
afterAll(() => files[Symbol.dispose]())

describe('the commands on 10-19041-x64', () => {
  const { path, guest } = files.write('10-19041-x64')
  const { truth } = guest
  const notepad = truth.processes.find(({ name }) => name === 'notepad.exe')!
  const lines = async (...words: string[]) => {
    const { stdout, stderr, code } = await runCli(...words, '--json')
    expect(stderr).toBe('')
    expect(code).toBe(0)
    return parseLines(stdout)
  }

  it('info tells the system, its PDB, and where every offset came from', async () => {
    const [info] = await lines('info', path)
    expect(info).toMatchObject({
      architecture: 'x86_64',
      os: {
        family: 'windows',
        version: '10.0.19041',
        kernelBase: hex(truth.kernelBase),
        dtb: hex(truth.dtb),
        pdb: truth.pdb,
      },
    })
    expect(JSON.stringify(info)).toContain('accessor PsGetProcessId')
  })

  it('ps, modules, maps, handles and threads list what is there', async () => {
    const pid = ['--pid', String(notepad.pid)]
    const [ps, modules, images, maps, handles, threads] = await Promise.all([
      lines('ps', path),
      lines('modules', path),
      lines('modules', path, ...pid),
      lines('maps', path, ...pid),
      lines('handles', path, ...pid),
      lines('threads', path, ...pid),
    ])
    const listed = truth.processes.filter(process => process.listed)
    expect(ps.map(({ pid, ppid, name, dtb }) => [pid, ppid, name, dtb])).toEqual(
      listed.map(({ pid, ppid, name, dtb }) => [pid, ppid, name, hex(dtb)]),
    )
    expect(modules.map(({ name, base, size }) => [name, base, size])).toEqual(
      truth.modules
        .filter(({ hidden }) => hidden !== true)
        .map(({ name, base, size }) => [name, hex(base), size]),
    )
    expect(images.map(({ path }) => path)).toEqual(notepad.modules.map(({ path }) => path))
    expect(maps.map(({ start, end }) => [start, end])).toEqual(
      [...notepad.areas]
        .sort((a, b) => (a.start < b.start ? -1 : 1))
        .map(({ start, end }) => [hex(start), hex(end)]),
    )
    expect(handles.map(({ type }) => type)).toEqual(notepad.handles.map(({ type }) => type))
    expect(threads.map(({ tid }) => tid)).toEqual(notepad.threads.map(({ tid }) => tid))
  })

  it('translate and read follow a page on its way out; symbols are addresses', async () => {
    const page = notepad.pages.find(({ kind }) => kind === 'transition')!
    const pid = ['--pid', String(notepad.pid)]
    const [[place], [bytes], [symbol]] = await Promise.all([
      lines('translate', path, hex(page.va), ...pid),
      lines('read', path, hex(page.va), ...pid, '--length', '16'),
      lines('symbols', path, 'PsInitialSystemProcess'),
    ])
    expect(place).toMatchObject({
      va: hex(page.va),
      pa: hex(page.gpa!),
      present: true,
      dtb: hex(notepad.dtb),
    })
    expect(Buffer.from(String(bytes?.['data']), 'hex').toString()).toMatch(/^page of kind/)
    expect(symbol).toEqual({
      name: 'PsInitialSystemProcess',
      address: hex(truth.symbols.get('PsInitialSystemProcess')!),
    })
  })
})
