/** A real guest, running: a quarter of its memory QEMU's own, the rest a sealed memfd. Found, read, scanned, written to, and killed. */
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listGuests } from '../../../src/coordinator/list-guests.js'
import { isLive } from '../../../src/coordinator/live.js'
import { openTarget, readInto, type ScanEvent, scanIterable, VmsiftError } from '../../../src/index.js'
import { parseLines, runCli } from '../../cli/run-cli.js'
import { labAvailable } from '../../lab/available.js'
import { bootLabGuest, type LabGuest } from '../../lab/guest.js'
import { collectMarkers, expectMarkers } from './markers.js'

const MEMORY_MB = 128

const lab = await labAvailable()
const title = `a running guest${lab.ok ? '' : ` (skipped: ${lab.reason})`}`

describe.skipIf(!lab.ok)(title, () => {
  let guest: LabGuest
  let target: string

  beforeAll(async () => {
    guest = await bootLabGuest({
      memoryMb: MEMORY_MB,
      machine: 'q35',
      backend: 'mixed',
      cmdline: 'transparent_hugepage=never',
    })
    target = `qemu:${guest.name}`
  })

  afterAll(async () => {
    await guest?.[Symbol.asyncDispose]()
  })

  it('is listed with its state', async () => {
    const entry = { target, name: guest.name, pid: guest.pid, bytes: MEMORY_MB << 20, state: 'running' }
    expect(await listGuests()).toContainEqual(entry)
  })

  it('tells where its memory is and how it is read', async () => {
    const { code, stdout } = await runCli('info', target, '--json')
    expect(code).toBe(0)
    const [info] = parseLines(stdout)
    expect(info).toMatchObject({
      format: 'qemu',
      live: true,
      writable: true,
      access: 'shared',
      mapped: true,
      architecture: 'x86_64',
      vcpus: 1,
      os: { family: 'linux', version: guest.kernel.release },
    })
    expect(info?.runs).toContainEqual({ pa: '0x0', length: MEMORY_MB << 20 })
  })

  it('has the registers of its processors, as hints to where its kernel is', async () => {
    using opened = await openTarget(target)
    const [cpu, ...others] = opened.notes.cpus
    expect(others).toEqual([])
    expect(cpu?.registers).toMatchObject({ cr3: expect.any(BigInt), idt_base: expect.any(BigInt) })
    const { cr3 = 0n } = cpu?.registers ?? {}
    expect(cr3 > 0n && cr3 < BigInt(MEMORY_MB << 20)).toBe(true)
  })

  it('has every marker where its own pagemap says, while it runs', async () => {
    const found = await collectMarkers(target, guest)
    expectMarkers(guest, found)
    expect(found.summary.complete).toBe(true)
    expect(found.summary.consistency?.sampledPages).toBe(4096)
    expect(found.matches.every(match => match.stable === true)).toBe(true)
  })

  it('has them all the same when it is held still for the scan, and runs afterwards', async () => {
    const found = await collectMarkers(target, guest, { pause: true })
    expectMarkers(guest, found)
    expect(found.summary.consistency?.changedPages).toBe(0)
    expect(await guest.shell('echo alive')).toBe('alive')
  })

  it('is the same, byte for byte, as what QEMU itself writes when it stands still', async () => {
    await guest.pause()
    try {
      using opened = await openTarget(target)
      for (const { gpa, length } of opened.runs) {
        const bytes = new Uint8Array(length)
        expect(readInto(opened.memory, gpa, bytes)).toEqual([])
        expect(Buffer.compare(bytes, await guest.saved(gpa, length))).toBe(0)
      }
    } finally {
      await guest.resume()
    }
  })

  it('lists the processes that it lists itself', async () => {
    const { code, stdout } = await runCli('ps', target, '--json')
    expect(code).toBe(0)
    const names = new Set(parseLines(stdout).map(({ pid, name }) => `${pid} ${name}`))
    for (const { pid, name } of guest.truth.processes.filter(({ name }) => name === 'marker'))
      expect(names).toContain(`${pid} ${name}`)
  })

  it('is written to only when that is allowed, and sees what was written', async () => {
    const marker = guest.truth.markers.find(({ name }) => name === 'heap')
    const gpa = marker?.segments[0]?.gpa as number
    const address = `0x${gpa.toString(16)}`
    const refused = await runCli('write', target, address, '--hex', '21')
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    const written = await runCli('write', target, address, '--hex', '21', '--allow-write', '--json')
    expect(written.code).toBe(0)
    expect(parseLines(written.stdout)).toEqual([{ address, length: 1, verified: true, data: '21' }])
    const { pid, parts, text } = marker as NonNullable<typeof marker>
    const offset = parts[0]?.gva as bigint
    const seen = await guest.shell(
      `dd if=/proc/${pid}/mem bs=1 skip=$((${offset})) count=${text.length} 2>/dev/null; echo`,
    )
    expect(seen).toBe(`!${text.slice(1)}`)
    const back = Buffer.from(text.slice(0, 1)).toString('hex')
    expect((await runCli('write', target, address, '--hex', back, '--allow-write')).code).toBe(0)
  })

  it('can be opened again and again without anything being left behind', async () => {
    const left = (): number[] => ['fd', 'task'].map(name => readdirSync(`/proc/self/${name}`).length)
    const cycle = async (): Promise<void> => {
      using opened = await openTarget(target)
      expect(isLive(opened) && opened.isRunning()).toBe(true)
      opened.memory.window(0x100000, 4096)
    }
    for (let i = 0; i < 5; i++) await cycle()
    const before = left()
    for (let i = 0; i < 40; i++) await cycle()
    expect(left()).toEqual(before)
  })

  it('refuses what is for images only', async () => {
    await expect(openTarget(target, { format: 'raw' })).rejects.toThrow(VmsiftError)
    const base = await runCli('info', target, '--base', '0x1000')
    expect(base).toMatchObject({ code: 2, stdout: '' })
  })

  it('ends a scan with what was found when it is killed', async () => {
    using opened = await openTarget(target)
    const events: ScanEvent[] = []
    let killed = false
    const patterns = [{ kind: 'regex', source: '[a-z0-9]+@[a-z0-9]+' } as const]
    // slow enough to be under way
    const tuning = { blockBytes: 65_536, partitionBytes: 1 << 20 }
    const request = { patterns, matcher: 'embedded', jobs: 1, progressSeconds: 0.02, tuning } as const
    for await (const event of scanIterable(opened, request)) {
      events.push(event)
      if (killed || event.type !== 'progress' || event.bytesDone === 0) continue
      process.kill(guest.pid, 'SIGKILL')
      killed = true
    }
    expect(events.at(-1)).toMatchObject({ type: 'summary', complete: false, ended: { reason: 'died' } })
    expect(opened.memory.window(0x100000, 16).bytes.length).toBe(0)
    const { code, stderr } = await runCli('info', target)
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(guest.name) })
  })
})
