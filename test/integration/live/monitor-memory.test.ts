/** Memory through the monitor alone, compared with the same memory out of the process. */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readInto } from '../../../src/core/memory.js'
import { planLive } from '../../../src/drivers/live-plan.js'
import { openMemory } from '../../../src/drivers/open.js'
import type { LiveSpec } from '../../../src/drivers/spec.js'
import { memorySections } from '../../../src/qemu/memory-map.js'
import { qemuProcess } from '../../../src/qemu/processes.js'
import { findProgram } from '../../lab/command.js'
import { startQemu } from '../../lab/qemu-process.js'
import { connectQmp } from '../../lab/qmp.js'

const QEMU = findProgram('qemu-system-x86_64')
const FIRMWARE = 0xffff_0000

describe.skipIf(QEMU === undefined)(
  `memory through QEMU's monitor${QEMU === undefined ? ' (skipped: qemu-system-x86_64 not found)' : ''}`,
  () => {
    it('is what stands in the process, saved or printed, whatever the offset', async () => {
      const dir = mkdtempSync(join(tmpdir(), 'vmsift-monitor-'))
      const socket = join(dir, 'qmp')
      const args = ['-nodefaults', '-display', 'none', '-S', '-machine', 'pc', '-m', '64M']
      const qemu = startQemu(QEMU as string, [...args, '-qmp', `unix:${socket},server=on,wait=off`], dir)
      try {
        const monitor = await connectQmp(socket, AbortSignal.timeout(30_000))
        const sections = await memorySections(monitor)
        monitor.close()
        using direct = planLive(qemuProcess(qemu.pid), sections, { write: false })
        const handlers = process.listenerCount('SIGTERM')
        using told = planLive(undefined, sections, { write: false, qmpPath: socket })
        expect([direct.access, told.access]).toEqual(['process', 'monitor'])
        const [expected, saved, printed] = [direct.spec, told.spec, withoutFolder(told.spec)].map(spec =>
          [0, 1, 4093].map(offset => bytesAt(spec, FIRMWARE + offset, 9001)),
        )
        expect(expected?.[0]?.some(byte => byte !== 0)).toBe(true)
        expect(saved).toEqual(expected)
        expect(printed).toEqual(expected)
        const folder =
          told.spec.sources.flatMap(each => (each.kind === 'monitor' ? (each.folder ?? []) : []))[0] ?? ''
        expect([process.listenerCount('SIGTERM'), existsSync(folder)]).toEqual([handlers + 1, true])
        told[Symbol.dispose]()
        expect([process.listenerCount('SIGTERM'), existsSync(folder)]).toEqual([handlers, false])
      } finally {
        await qemu.stop()
      }
    })
  },
)

function withoutFolder(spec: LiveSpec): LiveSpec {
  const sources = spec.sources.map(source => {
    if (source.kind !== 'monitor') return source
    const { kind, qmpPath, turns } = source
    return { kind, qmpPath, turns }
  })
  return { ...spec, sources }
}

function bytesAt(spec: LiveSpec, gpa: number, length: number): Uint8Array {
  using memory = openMemory(spec)
  const bytes = new Uint8Array(length)
  expect(readInto(memory, gpa, bytes)).toEqual([])
  return bytes
}
