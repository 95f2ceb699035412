import { describe, expect, it } from 'vitest'
import { readDescription } from '../../../src/qemu/gdbstub-description.js'
import { parseDevice } from '../../../src/qemu/gdbstub-server.js'
import { parseStop } from '../../../src/qemu/gdbstub-stop.js'

describe('stop replies', () => {
  it('tell signal, processor and watched address', () => {
    expect(parseStop('T05thread:02;')).toEqual({ kind: 'stopped', signal: 5, thread: '02' })
    expect(parseStop('T05thread:p01.02;rwatch:ffffffff81000000;')).toEqual({
      kind: 'stopped',
      signal: 5,
      thread: 'p01.02',
      watch: { access: 'r', address: 0xffffffff81000000n },
    })
    expect(parseStop('S02')).toEqual({ kind: 'stopped', signal: 2 })
    expect(parseStop('W00')).toEqual({ kind: 'exited' })
  })

  it('are no other answers', () => {
    for (const text of [
      '',
      'OK',
      'E22',
      'm01',
      'l',
      'PacketSize=1000',
      'vCont;c;C',
      'QC1',
      '00ff',
      'xxxxxxxx',
    ])
      expect(parseStop(text)).toBeUndefined()
  })

  it('leave out an address that is none', () => {
    expect(parseStop('T05watch:zzz;thread:01')).toEqual({ kind: 'stopped', signal: 5, thread: '01' })
  })
})

/** A stub that has these files, handed out a few bytes at a time. */
const stub =
  (files: Readonly<Record<string, string>>, bytes = 100) =>
  async (packet: string): Promise<string> => {
    const [, name = '', offset = ''] = /^qXfer:features:read:([^:]+):([0-9a-f]+),/.exec(packet) ?? []
    const text = files[name]
    if (text === undefined) return 'E00'
    const at = Number.parseInt(offset, 16)
    return `${at + bytes < text.length ? 'm' : 'l'}${text.slice(at, at + bytes)}`
  }

describe("a stub's description", () => {
  it('counts registers on through the files it includes', async () => {
    const description = await readDescription(
      stub({
        'target.xml':
          '<target><architecture> aarch64 </architecture><!-- <reg name="no" bitsize="1"/> --><xi:include href="core.xml"/><xi:include href=\'sys.xml\'/></target>',
        'core.xml':
          '<feature><reg name="x0" bitsize="64"/><reg name="x1" bitsize="64" type="int"/></feature>',
        'sys.xml':
          '<feature><reg bitsize="64" regnum="10" name="TTBR0_EL1"/><reg name="TCR_EL1" bitsize="64"/></feature>',
      }),
    )
    expect(description).toEqual({
      architecture: 'aarch64',
      registers: [
        { name: 'x0', number: 0, bits: 64 },
        { name: 'x1', number: 1, bits: 64 },
        { name: 'TTBR0_EL1', number: 10, bits: 64 },
        { name: 'TCR_EL1', number: 11, bits: 64 },
      ],
    })
  })

  const refused: Readonly<Record<string, (packet: string) => Promise<string>>> = {
    'files that include each other': stub({ 'target.xml': '<xi:include href="target.xml"/>' }),
    'a file without end': async () => `m${'a'.repeat(2000)}`,
    'pieces that are empty': async () => 'm',
    'a file that is not there': stub({ 'target.xml': '<xi:include href="core.xml"/>' }),
    'registers as wide as the sea': stub({ 'target.xml': '<reg name="a" bitsize="99999999"/>' }),
    'registers without end': stub({ 'target.xml': '<reg name="a" bitsize="8" regnum="-5"/>' }),
  }
  for (const [what, ask] of Object.entries(refused))
    it(`is refused for ${what}`, async () => {
      await expect(readDescription(ask)).rejects.toMatchObject({ code: 'monitor-failed' })
    })

  const long: Readonly<Record<string, string>> = {
    'comments that never end': '<!--'.repeat(200_000),
    'tags that never end': '<reg '.repeat(200_000),
    'an attribute without end': `<reg ${'a'.repeat(900_000)}>`,
    'attributes without end': `<reg ${'a '.repeat(500)}>`.repeat(900),
  }
  for (const [what, text] of Object.entries(long))
    it(`is read in a moment for all ${what}`, async () => {
      const started = performance.now()
      await readDescription(stub({ 'target.xml': text }, 4000)).catch(() => undefined)
      expect(performance.now() - started).toBeLessThan(5000)
    })

  it('is refused by name where the stub has none', async () => {
    await expect(readDescription(async () => '')).rejects.toMatchObject({ code: 'not-supported' })
  })
})

describe("QEMU's name of a stub", () => {
  it('tells where it listens and whether somebody is connected', () => {
    expect(parseDevice('disconnected:unix:/run/a b/gdb,server=on')).toEqual({
      device: 'unix:/run/a b/gdb,server=on',
      connected: false,
      address: { kind: 'unix', path: '/run/a b/gdb' },
    })
    expect(parseDevice('unix:/run/gdb,server')).toMatchObject({
      connected: true,
      address: { kind: 'unix', path: '/run/gdb' },
    })
    expect(parseDevice('disconnected:tcp:0.0.0.0:1234,server=on')).toMatchObject({
      connected: false,
      address: { kind: 'tcp', host: '127.0.0.1', port: 1234 },
    })
    expect(parseDevice('tcp:[::1]:1234,server=on <-> [::1]:5000')).toMatchObject({
      connected: true,
      address: { kind: 'tcp', host: '::1', port: 1234 },
    })
  })

  it('counts as taken when it is no socket: nobody can tell who reads a terminal', () => {
    expect(parseDevice('pty:/dev/pts/3')).toEqual({
      device: 'pty:/dev/pts/3',
      connected: true,
      address: undefined,
    })
  })
})
