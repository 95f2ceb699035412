/** The truth itself: what the guest tells stands in its dump, and is as rich as the other tests need it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openTarget, type Target } from '../../../src/coordinator/target.js'
import { PAGE_SWAPPED, readPages } from '../../lab/page-file.js'
import { describeDump, dumpDir, readStoredTruth, type StoredTruth } from './dump.js'

describeDump('its own account', () => {
  let truth: StoredTruth
  let target: Target

  beforeAll(async () => {
    truth = readStoredTruth()
    target = await openTarget(join(dumpDir(), 'elf.core'))
  })
  afterAll(() => target?.[Symbol.dispose]())

  it('has every marker where the guest says it is', () => {
    const texts = truth.markers.filter(marker => marker.encoding !== 'counter')
    let placed = 0
    for (const { name, encoding, text, parts } of texts) {
      if (parts.some(part => part.gpa === undefined)) continue
      const bytes = parts.map(({ gpa = 0, length }) => Buffer.from(target.memory.window(gpa, length).bytes))
      expect(Buffer.concat(bytes).toString(encoding === 'utf16le' ? 'utf16le' : 'latin1'), name).toBe(text)
      placed++
    }
    expect(placed).toBeGreaterThan(150)
    expect(placed).toBeGreaterThanOrEqual(texts.length - 2)
  })

  it('holds what is hard to find', () => {
    const { processes, markers, sockets, swaps, mounts, kernelLog, modules } = truth
    expect(processes.filter(process => process.kernelThread).length).toBeGreaterThan(20)
    expect(processes.some(process => process.nsPids.length === 3)).toBe(true)
    expect(processes.some(process => process.state === 'Z' && process.threads === 2)).toBe(true)
    expect(processes.some(process => process.exe?.endsWith(' (deleted)'))).toBe(true)
    expect(processes.some(process => process.uid === 1000)).toBe(true)
    const scattered = markers.filter(marker => marker.name.startsWith('scatter-'))
    expect(new Set(scattered.map(marker => marker.pid)).size).toBe(9)
    expect(scattered.filter(marker => marker.segments.length > 1).length).toBeGreaterThan(50)
    expect(scattered.some(marker => marker.encoding === 'long' && marker.segments.length >= 3)).toBe(true)
    expect(markers.filter(marker => marker.name === 'shared-many')).toHaveLength(9)
    expect(new Set(sockets.map(socket => socket.protocol))).toEqual(
      new Set(['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'unix']),
    )
    expect(swaps.length).toBeGreaterThan(0)
    const pages = [...readPages(readFileSync(join(dumpDir(), 'pagemap.bin')))]
    expect(pages.filter(page => (page.flags & PAGE_SWAPPED) !== 0).length).toBeGreaterThan(60)
    expect(Object.keys(mounts).length).toBeGreaterThan(1)
    expect(kernelLog.length).toBeGreaterThan(100)
    expect(modules.length).toBeGreaterThan(3)
  })

  it('is of the memory that the dump holds', () => {
    const ram = truth.iomem.filter(range => range.name === 'System RAM' && range.depth === 0)
    expect(ram.length).toBeGreaterThan(0)
    for (const { start, end } of ram)
      expect(
        target.runs.some(run => run.gpa <= start && end <= run.gpa + run.length),
        `${start.toString(16)}`,
      ).toBe(true)
  })
})
