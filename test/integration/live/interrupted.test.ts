/** What becomes of a scan when its guest ends, goes elsewhere, or loses its memory in the middle of it: the command line's answer. */
import { truncateSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { isWritable, openTarget } from '../../../src/index.js'
import { type CliRun, runCli, startCli } from '../../cli/run-cli.js'
import { type BareQemu, noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'

const MIB = 2 ** 20
const MEMORY_MB = 96
/** Where no firmware writes. */
const FILLED = { from: 2 * MIB, to: 88 * MIB }
const NEEDLE = 'vmsift-interrupted'
/**
 * So many that a scan goes only as fast as its output is read: a test that stops reading holds it where it is, in the middle. A scan of a
 * guest that runs holds back 2 ** 18 matches before it tells any.
 */
const NEEDLE_EVERY = { paused: 512, running: 272 }
const TIMEOUT = 200_000

const missing = noBareQemu()
const everywhere = missing === undefined
const demanded = everywhere && process.env.VMSIFT_LIVE === '1'
const whyNot = missing ?? (demanded ? undefined : 'npm run test:live tries the others')

type Backing = 'anonymous' | 'memfd' | 'file'

interface Case {
  readonly backing: Backing
  readonly happens: string
  readonly work: (guest: BareQemu) => unknown
  readonly reason: string | RegExp
  /** Held still by the scan. */
  readonly paused: boolean
}

const kill = ({ pid }: BareQemu) => process.kill(pid, 'SIGKILL')
const reset = ({ monitor }: BareQemu) => monitor.execute('system_reset')
const quit = ({ monitor }: BareQemu) => monitor.execute('quit').catch(() => undefined)
async function migrate({ monitor, folder }: BareQemu, to = 'exec:cat > /dev/null'): Promise<void> {
  await monitor.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
  await monitor.execute('migrate', { uri: to.replace('DIR', folder) })
  for (;;) {
    const answer = (await monitor.execute('query-migrate')) as { status?: string }
    if (answer.status === 'completed') return
    if (answer.status === 'failed') throw new Error('the migration failed')
    await sleep(20)
  }
}

const ALWAYS: readonly Case[] = [
  { backing: 'anonymous', happens: 'killed', work: kill, reason: 'died', paused: true },
]
const ON_DEMAND: readonly Case[] = [
  { backing: 'memfd', happens: 'killed', work: kill, reason: 'died', paused: true },
  { backing: 'file', happens: 'killed', work: kill, reason: 'died', paused: true },
  { backing: 'memfd', happens: 'reset', work: reset, reason: 'reset', paused: true },
  { backing: 'memfd', happens: 'told to quit', work: quit, reason: /^(shutdown|died)$/, paused: true },
  { backing: 'anonymous', happens: 'killed', work: kill, reason: 'died', paused: false },
  { backing: 'memfd', happens: 'reset', work: reset, reason: 'reset', paused: false },
  {
    backing: 'anonymous',
    happens: 'migrated',
    work: guest => migrate(guest),
    reason: 'migrated',
    paused: false,
  },
  {
    backing: 'memfd',
    happens: 'migrated to a file',
    work: guest => migrate(guest, 'exec:cat > DIR/state'),
    reason: 'migrated',
    paused: true,
  },
]

describe.skipIf(!everywhere)(
  `a scan that its guest cuts short${everywhere ? '' : ` (skipped: ${missing})`}`,
  () => {
    it.each(ALWAYS)(
      'ends with what was found, the reason and exit code 3: it is $happens ($backing, paused: $paused)',
      expectEnd,
      TIMEOUT,
    )
  },
)

const title = `scans that are cut short${whyNot === undefined ? '' : ` (skipped: ${whyNot})`}`
describe.skipIf(whyNot !== undefined)(title, () => {
  it.each(ON_DEMAND)(
    'end with what was found, the reason and exit code 3: it is $happens ($backing, paused: $paused)',
    expectEnd,
    TIMEOUT,
  )

  it(
    'tell what could not be read when the file behind the memory becomes shorter',
    async () => {
      await using guest = await startFilled('file', true, ['-S'])
      const run = startScan(guest, '--pause')
      await inTheMiddle(run)
      truncateSync(join(guest.folder, 'memory'), MIB)
      const { code, summary, stderr } = await endOf(run)
      expect({ code, complete: summary.complete }).toEqual({ code: 3, complete: true })
      expect(summary.bytesFailed).toBeGreaterThan(8 * MIB)
      expect(summary.matches).toBeGreaterThan(0)
      expect(stderr).toContain('of memory could not be read')
    },
    TIMEOUT,
  )

  it(
    'go on to the end when that file is removed',
    async () => {
      await using guest = await startFilled('file', true)
      const run = startScan(guest, '--pause')
      await inTheMiddle(run)
      unlinkSync(join(guest.folder, 'memory'))
      const { code, summary } = await endOf(run)
      expect({ code, summary }).toMatchObject({
        code: 0,
        summary: { complete: true, bytesFailed: 0, matches: needles(true) },
      })
      expect(await guest.monitor.execute('query-status')).toMatchObject({ running: true })
    },
    TIMEOUT,
  )

  it(
    'tell all they found when QEMU hangs, and that the guest may stand still',
    async () => {
      await using guest = await startFilled('anonymous', true)
      const run = startScan(guest, '--pause')
      await inTheMiddle(run)
      process.kill(guest.pid, 'SIGSTOP')
      const { code, summary, stderr } = await endOf(run).finally(() => process.kill(guest.pid, 'SIGCONT'))
      expect({ code, summary }).toMatchObject({
        code: 3,
        summary: { complete: true, bytesFailed: 0, matches: needles(true), ended: { reason: 'silent' } },
      })
      expect(stderr).toContain('vmsift resume')
      expect(await guest.monitor.execute('query-status')).toMatchObject({ running: false })
      expect((await runCli('resume', `qemu:${guest.qmpPath}`)).code).toBe(0)
      expect(await guest.monitor.execute('query-status')).toMatchObject({ running: true })
    },
    TIMEOUT,
  )

  it('leave a guest alone that migrated while they held it: it runs elsewhere', async () => {
    await using guest = await startFilled('memfd', true)
    const run = startScan(guest, '--pause')
    await inTheMiddle(run)
    await migrate(guest)
    const { code, summary } = await endOf(run)
    expect({ code, ended: summary.ended }).toMatchObject({ code: 3, ended: { reason: 'migrated' } })
    expect(await guest.monitor.execute('query-status')).toMatchObject({
      running: false,
      status: 'postmigrate',
    })
  })
})

async function expectEnd({ backing, work, reason, paused }: Case): Promise<void> {
  await using guest = await startFilled(backing, paused)
  const run = startScan(guest, ...(paused ? ['--pause'] : []))
  await inTheMiddle(run)
  await work(guest)
  const { code, summary, stderr } = await endOf(run)
  expect({ code, summary, stderr }).toMatchObject({
    code: 3,
    summary: { complete: false, ended: { reason: expect.stringMatching(reason) } },
    stderr: expect.stringContaining('while it was scanned'),
  })
  expect(stderr).not.toMatch(/\n\s+at /)
  expect(summary.matches).toBeGreaterThan(0)
  expect(summary.matches).toBeLessThan(needles(paused))
}

function needles(paused: boolean): number {
  const every = Math.floor(MIB / everyOf(paused))
  return ((FILLED.to - FILLED.from) / MIB) * every
}

function everyOf(paused: boolean): number {
  return paused ? NEEDLE_EVERY.paused : NEEDLE_EVERY.running
}

async function startFilled(
  backing: Backing,
  paused: boolean,
  more: readonly string[] = [],
): Promise<BareQemu> {
  const guest = await startBareQemu(folder => {
    const object = {
      anonymous: 'ram',
      memfd: 'memfd,share=on',
      file: `file,share=on,mem-path=${folder}/memory`,
    }[backing]
    const [kind, ...options] = object.split(',')
    return [
      ...['-m', `${MEMORY_MB}M`, '-machine', 'q35,memory-backend=ram', ...more],
      ...['-object', [`memory-backend-${kind}`, 'id=ram', `size=${MEMORY_MB}M`, ...options].join(',')],
    ]
  })
  const piece = Buffer.alloc(MIB)
  const every = everyOf(paused)
  for (let at = 0; at + every <= piece.length; at += every) piece.write(NEEDLE, at)
  using target = await openTarget(`qemu:${guest.qmpPath}`, { allowWrite: true })
  if (!isWritable(target.memory)) throw new Error('it can not be written to')
  for (let at = FILLED.from; at < FILLED.to; at += MIB) target.memory.write(at, piece)
  return guest
}

function startScan(guest: BareQemu, ...words: string[]): CliRun {
  const run = startCli(['scan', `qemu:${guest.qmpPath}`, '--text', NEEDLE, '--jobs', '1', '--json', ...words])
  run.child.stdout?.pause()
  return run
}

/** Resolves when the first matches were told; nothing more is read then. */
async function inTheMiddle({ child }: CliRun): Promise<void> {
  const { stdout } = child
  if (stdout === null) throw new Error('its output goes elsewhere')
  await new Promise<void>((resolve, reject) => {
    stdout.once('data', () => {
      stdout.pause()
      resolve()
    })
    child.once('close', () => reject(new Error('the scan has ended')))
    stdout.resume()
  })
}

async function endOf({ child, result }: CliRun) {
  child.stdout?.resume()
  const { code, stdout, stderr } = await result
  const last = stdout.slice(stdout.lastIndexOf('\n', stdout.length - 2) + 1)
  const summary = JSON.parse(last) as {
    type: string
    matches: number
    bytesFailed: number
    complete: boolean
    ended?: unknown
  }
  expect(summary.type).toBe('summary')
  return { code, stderr, summary }
}
