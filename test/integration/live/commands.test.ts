/** Every command on a running Linux guest as a user types it, by each of its names, running and paused, compared with what the guest says. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseLines, runCli } from '../../cli/run-cli.js'
import { labAvailable } from '../../lab/available.js'
import { bootLabGuest, type LabGuest, type LabOptions } from '../../lab/guest.js'
import { matrixGuest } from '../../lab/guests.js'
import { fetchKernel } from '../../lab/kernel.js'
import type { Marker } from '../../lab/markers.js'

const lab = await labAvailable()
const reason =
  process.env.VMSIFT_LIVE === '1' ? (lab.ok ? undefined : lab.reason) : 'npm run test:live boots these guests'

const GUESTS: readonly {
  readonly name: string
  readonly options: Partial<LabOptions>
  /** Paused or not. */
  readonly states: readonly boolean[]
}[] = [
  { name: 'amd64-6.1-pti', options: { backend: 'anonymous', memoryMb: 192 }, states: [false, true] },
  { name: 'arm64-4k', options: { backend: 'memfd', rich: false }, states: [false] },
]

for (const { name, options, states } of GUESTS)
  describe.skipIf(reason !== undefined)(
    `commands on ${name}, running${reason ? ` (skipped: ${reason})` : ''}`,
    { timeout: 300_000 },
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'vmsift-commands-'))
      let guest: LabGuest
      let heap: Marker

      beforeAll(async () => {
        const { kernel, options: matrix } = matrixGuest(name)
        guest = await bootLabGuest({ ...matrix, ...options, kernel: await fetchKernel(kernel) })
        heap = guest.truth.markers.find(marker => marker.name === 'heap') as Marker
      }, 500_000)
      afterAll(async () => {
        await guest?.[Symbol.asyncDispose]()
        rmSync(folder, { recursive: true, force: true })
      })

      const json = async (...words: string[]): Promise<Record<string, unknown>[]> => {
        const { code, stdout, stderr } = await runCli(...words, '--json')
        expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: '' })
        return parseLines(stdout)
      }
      const target = (): string => `qemu:${guest.name}`
      const gva = (): bigint => heap.parts[0]?.gva as bigint
      const gpa = (): number => heap.segments[0]?.gpa as number

      it('is the same guest by each of its names', async () => {
        const names = [target(), `qemu:${guest.pid}`, `qemu:${guest.qmpPath}`]
        const told = await Promise.all(names.map(async each => (await json('info', each))[0]))
        expect(told[0]).toMatchObject({
          format: 'qemu',
          live: true,
          os: { family: 'linux', version: guest.kernel.release },
        })
        for (const [index, info] of told.entries()) expect(info).toEqual({ ...told[0], target: names[index] })
      })

      for (const paused of states)
        describe(paused ? 'held still' : 'running', () => {
          beforeAll(async () => {
            if (paused) await guest.pause()
          })
          afterAll(async () => {
            await guest.resume()
          })

          it('lists processes, and hides none', async () => {
            const listed = await json('ps', target())
            const names = new Map(listed.map(({ pid, name: comm }) => [pid, comm]))
            // while it runs, what it starts for a moment ends again
            for (const process of guest.truth.processes.filter(({ kernelThread }) => !kernelThread))
              if (paused || /^(marker|lab-)/.test(process.name))
                expect([process.pid, names.get(process.pid)]).toEqual([process.pid, process.name])
            const checked = await json('ps', target(), '--check')
            expect(checked.length).toBeGreaterThanOrEqual(guest.truth.processes.length - 3)
          })

          it('lists threads, modules, mappings, files, sockets, mounts and messages', async () => {
            const { truth } = guest
            const process = truth.processes.find(({ pid }) => pid === heap.pid)
            expect(await json('threads', target(), '--pid', String(heap.pid))).toHaveLength(
              process?.threads ?? 0,
            )
            const modules = (await json('modules', target())).map(module => module.name)
            expect(modules.sort()).toEqual(truth.modules.map(module => module.name).sort())
            const maps = await json('maps', target(), '--pid', String(heap.pid))
            expect(maps.map(({ start }) => BigInt(start as string))).toEqual(
              process?.maps.filter(({ path }) => path !== '[vsyscall]').map(({ start }) => start),
            )
            const files = await json('files', target(), '--pid', String(heap.pid))
            expect(files.map(({ fd }) => fd)).toEqual(process?.files.map(({ fd }) => fd))
            await json('net', target())
            expect((await json('mounts', target())).length).toBeGreaterThan(3)
            const log = (await json('dmesg', target())).map(({ text }) => text)
            expect(log).toEqual(expect.arrayContaining([expect.stringContaining(truth.version.slice(0, 30))]))
            await json('integrity', target())
            expect(await json('env', target(), '--pid', String(heap.pid))).not.toEqual([])
          })

          it('translates and reads, by process and by symbol', async () => {
            const address = `0x${gva().toString(16)}`
            const pid = ['--pid', String(heap.pid)]
            expect(await json('translate', target(), address, ...pid)).toMatchObject([
              { present: true, pa: `0x${gpa().toString(16)}` },
            ])
            const [read] = await json('read', target(), address, '--length', String(heap.length), ...pid)
            expect(Buffer.from(read?.data as string, 'hex').toString()).toBe(heap.text)
            // a function: not every kernel keeps the names of its data
            const [symbol] = await json('symbols', target(), 'schedule')
            const [named] = await json('read', target(), 'schedule', '--length', '16')
            expect(named?.address).toBe(symbol?.address)
            const there = symbol?.address as string
            expect(await json('read', target(), there, '--kernel', '--length', '16')).toEqual([named])
          })

          it('scans physical memory, the kernel, a process and all of them', async () => {
            const scan = async (...words: string[]) => {
              const { code, stdout, stderr } = await runCli(
                'scan',
                target(),
                '--text',
                heap.text,
                '--json',
                ...words,
              )
              expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: '' })
              const lines = parseLines(stdout)
              expect(lines.at(-1)).toMatchObject({ type: 'summary', complete: true, bytesFailed: 0 })
              return lines.filter(({ type }) => type === 'match')
            }
            const place = { pa: `0x${gpa().toString(16)}`, stable: true }
            const own = { ...place, pid: heap.pid, va: `0x${gva().toString(16)}` }
            expect(await scan('--owners')).toContainEqual(
              expect.objectContaining({
                ...place,
                owners: expect.arrayContaining([expect.objectContaining({ pid: heap.pid, va: own.va })]),
              }),
            )
            expect(await scan('--space', 'kernel')).toContainEqual(expect.objectContaining(place))
            expect(await scan('--space', String(heap.pid))).toContainEqual(expect.objectContaining(own))
            expect(await scan('--space', 'processes')).toContainEqual(expect.objectContaining(own))
            expect(await scan('--space', 'processes', '--pause')).toContainEqual(expect.objectContaining(own))
          })

          it('dumps memory that opens as an image and has the same bytes', async () => {
            for (const format of ['raw', 'lime', 'elf']) {
              const path = join(folder, `${paused}.${format}`)
              const { code, stderr } = await runCli('dump', target(), '-o', path, '--output-format', format)
              expect({ format, code, stderr }).toEqual({ format, code: 0, stderr: '' })
              expect(statSync(path).size).toBeGreaterThanOrEqual(guest.memoryBytes)
              const words = ['read', path, `0x${gva().toString(16)}`, '--pid', String(heap.pid)]
              const [read] = await json(...words, '--length', String(heap.length))
              expect(Buffer.from(read?.data as string, 'hex').toString()).toBe(heap.text)
              rmSync(path)
            }
          })
        })
    },
  )
