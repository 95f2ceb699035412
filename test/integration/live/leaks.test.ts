/** Targets and scans, opened and ended again and again: nothing of them is left in this process. */
import { readdirSync, readFileSync } from 'node:fs'
import { firstValueFrom, lastValueFrom } from 'rxjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLive, openTarget, scan } from '../../../src/index.js'
import { type BareQemu, noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'

const missing =
  process.env.VMSIFT_LIVE === '1' ? noBareQemu() : 'npm run test:live opens guests a thousand times'
const CYCLES = 1000
const SCANS = 40
/** The heap maps and unmaps memory as it likes. */
const HEAP_MAPS = 200
/** koffi 3.3.4 doesn't free what it makes for a thread when that ends: a stack, its guard page and a heap, 3 MiB of addresses. */
const KOFFI_MAPS = 3
const THREADS = 3

function left() {
  const count = (name: string): number => readdirSync(`/proc/self/${name}`).length
  return { fd: count('fd'), task: count('task'), maps: readFileSync('/proc/self/maps', 'utf8').split('\n') }
}

function expectNothingLeft(before: ReturnType<typeof left>, allowed = HEAP_MAPS): void {
  const now = left()
  expect(now.fd).toBe(before.fd)
  expect(now.task).toBe(before.task)
  expect(now.maps.filter(line => line.includes('memory-backend'))).toEqual([])
  expect(now.maps.length).toBeLessThan(before.maps.length + allowed)
}

describe.skipIf(missing !== undefined)(
  `what opening leaves behind${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    let guest: BareQemu
    let target: string
    beforeAll(async () => {
      guest = await startBareQemu([
        ...['-m', '64M', '-machine', 'q35', '-smp', '2'],
        ...[
          '-object',
          'memory-backend-ram,id=a,size=32M',
          '-object',
          'memory-backend-memfd,id=b,size=32M,share=on',
        ],
        ...['-numa', 'node,memdev=a,cpus=0', '-numa', 'node,memdev=b,cpus=1'],
      ])
      target = `qemu:${guest.qmpPath}`
    })
    afterAll(async () => {
      await guest?.[Symbol.asyncDispose]()
    })

    it(`is nothing after ${CYCLES} times`, async () => {
      const cycle = async (): Promise<void> => {
        using opened = await openTarget(target)
        if (!isLive(opened)) throw new Error('it is live')
        // a place in each backend
        for (const gpa of [2 ** 20, 48 * 2 ** 20])
          expect(opened.memory.window(gpa, 8192).bytes.length).toBe(8192)
        using share = await opened.link.share()
        await share.monitor.execute('query-status')
      }
      for (let i = 0; i < 10; i++) await cycle()
      const before = left()
      for (let i = 0; i < CYCLES; i++) await cycle()
      expectNothingLeft(before)
    }, 600_000)

    it.each([false, true])(
      `is nothing after ${SCANS} scans, half of them given up, paused: %s`,
      async pause => {
        const request = {
          patterns: [{ kind: 'text' as const, text: 'SeaBIOS' }],
          pause,
          progressSeconds: 0.001,
        }
        const cycle = async (whole: boolean): Promise<void> => {
          using opened = await openTarget(target)
          await (whole ? lastValueFrom(scan(opened, request)) : firstValueFrom(scan(opened, request)))
        }
        for (let i = 0; i < 4; i++) await cycle(i % 2 === 0)
        await settled()
        const before = left()
        for (let i = 0; i < SCANS; i++) await cycle(i % 2 === 0)
        await settled()
        expectNothingLeft(before, HEAP_MAPS + SCANS * THREADS * KOFFI_MAPS)
        expect(await guest.monitor.execute('query-status')).toMatchObject({ running: true })
      },
      600_000,
    )
  },
)

/** A scan that was given up ends its threads behind one's back. */
async function settled(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 3000))
}
