/** A QEMU that lies about its memory, or is slow to tell of it: the answer is an error, soon. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { planLive } from '../../../src/drivers/live-plan.js'
import { memorySections } from '../../../src/qemu/memory-map.js'
import type { Monitor } from '../../../src/qemu/monitor.js'
import { startTicksOf } from '../../../src/qemu/processes.js'

describe('a memory map that makes no sense', () => {
  afterEach(() => void vi.useRealTimers())

  it('is refused when it cuts memory in more pieces than there could be', () => {
    const sections = Array.from({ length: 70_000 }, (_, index) => {
      return { gpa: index * 8192, length: 4096, pointer: 4096 }
    })
    const own = { pid: process.pid, startTicks: startTicksOf(process.pid) ?? '' }
    expect(() => planLive(own, sections, { write: false })).toThrow(
      expect.objectContaining({ code: 'target-unsupported' }),
    )
  })

  it('is given up when every answer comes at the last moment', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const line = (index: number): string => {
      const at = (address: number) => address.toString(16).padStart(16, '0')
      return `  ${at(index * 8192)}-${at(index * 8192 + 4095)} (prio 0, ram): r`
    }
    const view = [
      'FlatView #0',
      ' AS "memory", root: system',
      ...Array.from({ length: 4000 }, (_, i) => line(i)),
    ]
    let asked = 0
    const human = async (words: string): Promise<string> => {
      asked++
      vi.advanceTimersByTime(9000)
      if (words.startsWith('info mtree')) return view.join('\n')
      const gpa = Number(words.split(' ')[1])
      return `Host virtual address for ${words.split(' ')[1]} (r) is 0x${(2 ** 40 + gpa).toString(16)}`
    }
    await expect(memorySections({ human } as Partial<Monitor> as Monitor)).rejects.toMatchObject({
      code: 'target-unsupported',
    })
    expect(asked).toBeLessThan(10)
  })
})
