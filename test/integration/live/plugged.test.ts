/** Memory that is plugged in while QEMU runs, and NUMA nodes with a backend each: seen, read and scanned where QEMU has it. */
import { lastValueFrom, toArray } from 'rxjs'
import { describe, expect, it } from 'vitest'
import {
  isWritable,
  openTarget,
  type ResidentMatchEvent,
  readInto,
  type SummaryEvent,
  scan,
} from '../../../src/index.js'
import { type BareQemu, noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const TEXT = 'vmsift-plugged'
const missing = noBareQemu()

/** DIMMs as `object-add` takes them, by what vmsift then has beside QEMU's own memory. */
const BACKENDS = {
  ram: () => ({ 'qom-type': 'memory-backend-ram' }),
  memfd: () => ({ 'qom-type': 'memory-backend-memfd', share: true }),
  file: (folder: string) => ({
    'qom-type': 'memory-backend-file',
    share: true,
    'mem-path': `${folder}/dimm`,
  }),
} as const

describe.skipIf(missing !== undefined)(`plugged memory${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it.each(['pc', 'q35'])('is found after it was plugged: %s', async machine => {
    await using guest = await startBareQemu(['-m', '64M,slots=4,maxmem=2G', '-machine', machine])
    const target = `qemu:${guest.qmpPath}`
    using before = await openTarget(target)
    const dimms: { readonly gpa: number; readonly length: number }[] = []
    let megabytes = 128
    for (const [id, backend] of Object.entries(BACKENDS)) {
      await plug(guest, id, megabytes, backend(guest.folder))
      dimms.push(await placeOf(guest, id))
      megabytes += 128
    }
    expect(dimms.map(({ length }) => length / MIB)).toEqual([128, 256, 384])
    expect(before.bytes).toBeLessThan(128 * MIB)
    using after = await openTarget(target, { allowWrite: true })
    expect(after.bytes - before.bytes).toBe(768 * MIB)
    for (const { gpa, length } of dimms) {
      expect(gpa).toBeGreaterThanOrEqual(4 * GIB)
      const run = after.runs.find(other => gpa >= other.gpa && gpa + length <= other.gpa + other.length)
      expect(run, `memory at ${gpa}`).toBeDefined()
    }
    await expectContents(
      guest,
      after,
      dimms.flatMap(({ gpa, length }) => [gpa, gpa + 5 * MIB + 4090, gpa + length - TEXT.length]),
    )
  })

  it('has nodes with a backend each, read in their own ways', async () => {
    await using guest = await startBareQemu(folder => [
      ...['-m', '5G', '-machine', 'q35', '-smp', '3'],
      ...['-object', 'memory-backend-ram,id=a,size=1G'],
      ...['-object', 'memory-backend-memfd,id=b,size=2G,share=on'],
      ...['-object', `memory-backend-file,id=c,size=2G,share=on,mem-path=${folder}/node`],
      ...['a', 'b', 'c'].flatMap((id, cpu) => ['-numa', `node,memdev=${id},cpus=${cpu}`]),
    ])
    using target = await openTarget(`qemu:${guest.qmpPath}`, { allowWrite: true })
    if (target.driver.kind !== 'live') throw new Error('it is live')
    expect(target.driver.sources.map(({ kind }) => kind).sort()).toEqual(['file', 'file', 'process'])
    // q35 has 2 GiB below: the borders of nodes are at 1 GiB, and 1 GiB above 4 GiB
    const borders = [GIB, 4 * GIB, 5 * GIB]
    await expectContents(guest, target, [
      ...borders.map(at => at + 100),
      GIB - 5,
      5 * GIB - 5,
      7 * GIB - TEXT.length,
    ])
  })
})

type Opened = Awaited<ReturnType<typeof openTarget>>

/** Writes the text at each place, and has QEMU, a read and a scan say that it stands there and nowhere else. */
async function expectContents(guest: BareQemu, target: Opened, places: readonly number[]): Promise<void> {
  const { memory } = target
  if (!isWritable(memory)) throw new Error('it can not be written to')
  const sorted = [...places].sort((a, b) => a - b)
  for (const gpa of sorted) memory.write(gpa, Buffer.from(TEXT))
  for (const gpa of sorted) {
    const said = await guest.monitor.human(`xp /${TEXT.length}bx 0x${gpa.toString(16)}`)
    const bytes = [...said.matchAll(/ 0x([0-9a-f]{2})\b/g)].map(([, digits]) =>
      Number.parseInt(digits as string, 16),
    )
    expect(Buffer.from(bytes).toString()).toBe(TEXT)
    const read = Buffer.alloc(TEXT.length)
    expect(readInto(memory, gpa, read)).toEqual([])
    expect(read.toString()).toBe(TEXT)
  }
  const patterns = [{ kind: 'text' as const, text: TEXT }]
  const events = await lastValueFrom(
    scan(target, { patterns, space: 'physical', sort: true }).pipe(toArray()),
  )
  const found = events.filter((event): event is ResidentMatchEvent => event.type === 'match')
  expect(found.map(({ gpa }) => gpa)).toEqual(sorted)
  const summary = events.at(-1) as SummaryEvent
  expect(summary).toMatchObject({ complete: true, bytesTotal: target.bytes, bytesFailed: 0 })
}

async function plug({ monitor }: BareQemu, id: string, megabytes: number, backend: object): Promise<void> {
  await monitor.execute('object-add', { ...backend, id, size: megabytes * MIB })
  await monitor.execute('device_add', { driver: 'pc-dimm', id: `dimm-${id}`, memdev: id })
}

/** By QEMU's own account. */
async function placeOf({ monitor }: BareQemu, id: string): Promise<{ gpa: number; length: number }> {
  const devices = (await monitor.execute('query-memory-devices')) as {
    data: { id: string; addr: number; size: number }
  }[]
  const found = devices.find(({ data }) => data.id === `dimm-${id}`)
  if (found === undefined) throw new Error(`no DIMM ${id}`)
  return { gpa: found.data.addr, length: found.data.size }
}
