import { lastValueFrom, toArray } from 'rxjs'
import { afterAll, describe, expect, it } from 'vitest'
import { openTarget, type ScanRequest, scan, type Target } from '../../src/index.js'
import { TestFolder } from '../cli/images.js'
import { runCli } from '../cli/run-cli.js'
import { outcomeOf } from '../helpers/scan-events.js'
import { writeCrashDump, writeTriageDump } from '../images/crashdump.js'

const TOP = 0xffff_8000_0000_0000n
const block = (text: string): Buffer => Buffer.concat([Buffer.alloc(5000, 0x80), Buffer.from(text)])

const folder = new TestFolder()
afterAll(() => folder[Symbol.dispose]())
const triage = folder.file(
  'triage.dmp',
  writeTriageDump({
    blocks: [
      { va: TOP + 0x1003n, bytes: block('needle') },
      { va: 0x10_0000n, bytes: block('needle') },
    ],
  }),
)

const runScan = async (target: Target, request: ScanRequest) =>
  outcomeOf(await lastValueFrom(scan(target, request).pipe(toArray())))

describe('a scan of a triage dump', () => {
  it("is one of the kernel's memory, by default", async () => {
    using target = await openTarget(triage)
    expect(target.space).toBe('virtual')
    expect(target.runs).toEqual([])
    const { events, summary } = await runScan(target, {
      patterns: [{ kind: 'text', text: 'needle' }],
      sort: true,
    })
    const matches = events.filter(event => event.type === 'match')
    expect(matches.map(({ gpa, pid, va }) => [gpa, pid, va])).toEqual([
      [undefined, 0, 0x10_0000n + 5000n],
      [undefined, 0, TOP + 0x1003n + 5000n],
    ])
    expect(summary.bytesScanned).toBe(2 * 5006)
    expect(summary.complete).toBe(true)
  })

  it('refuses what it does not hold', async () => {
    using target = await openTarget(triage)
    for (const space of ['physical', 'processes', { pid: 4 }] as const)
      await expect(runScan(target, { patterns: [{ kind: 'text', text: 'x' }], space })).rejects.toMatchObject(
        {
          code: 'bad-argument',
        },
      )
  })

  it('prints virtual addresses and no physical ones', async () => {
    const { stdout, code } = await runCli('scan', triage, '--text', 'needle', '--json', '--sort')
    expect(code).toBe(0)
    const [first] = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(first).toMatchObject({ va: '0x101388', pid: 0, length: 6 })
    expect(first).not.toHaveProperty('pa')
  })
})

describe('info of a crash dump', () => {
  it('tells what its header says', async () => {
    const path = folder.file('full.dmp', writeCrashDump([{ gpa: 4096, bytes: Buffer.alloc(8192) }]))
    const { stdout } = await runCli('info', path, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      format: 'crashdump',
      runs: [{ pa: '0x1000', length: 8192 }],
      vcpus: 1,
      crashdump: {
        kind: 'full',
        build: 19041,
        directoryTableBase: '0x1ad000',
        bugCheck: { code: '0xd1', parameters: ['0x1', '0x2', '0x3', '0x4'] },
        systemTime: '2021-02-21T01:38:22.987Z',
      },
    })
  })

  it('lists the blocks of a triage dump by virtual address', async () => {
    const { stdout } = await runCli('info', triage, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      runs: [],
      blocks: [
        { va: '0x100000', length: 5006 },
        { va: '0xffff800000001003', length: 5006 },
      ],
      crashdump: { kind: 'triage', triage: { dataBlocks: 2 } },
    })
  })
})
