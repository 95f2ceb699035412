/** A generated guest as the memory of a QEMU that stands still: what a running guest's commands show of Windows. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseLines, runCli } from '../../cli/run-cli.js'
import { buildWindowsGuest, type GuestName } from '../../images/windows/guest.js'
import { noBareQemu, startBareQemu } from '../../lab/bare-qemu.js'

const reason = noBareQemu()

describe.skipIf(reason !== undefined)(
  `a running Windows guest${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    it.each<GuestName>(['10-19041-x64', '7-sp1-x86'])(
      '%s is found, listed, scanned, written to',
      {
        timeout: 120_000,
      },
      async name => {
        const { memory, truth } = buildWindowsGuest(name)
        await using qemu = await startBareQemu(folder => {
          const path = join(folder, 'memory')
          memory.writeRaw(path)
          const object = `memory-backend-file,id=m,size=64M,mem-path=${path},share=on`
          return ['-S', '-m', '64M', '-object', object, '-machine', 'pc,memory-backend=m']
        })
        const target = `qemu:${qemu.qmpPath}`
        const json = async (...words: string[]) => parseLines((await runCli(...words, '--json')).stdout)
        const notepad = truth.processes.find(process => process.name === 'notepad.exe')!
        const pid = ['--pid', String(notepad.pid)]

        expect((await json('info', target))[0]).toMatchObject({
          live: true,
          os: { family: 'windows', kernelBase: `0x${truth.kernelBase.toString(16)}` },
        })
        expect((await json('ps', target)).map(each => each['pid'])).toEqual(
          truth.processes.filter(({ listed }) => listed).map(each => each.pid),
        )
        const hex = Buffer.from('ü notes.txt', 'utf16le').toString('hex')
        const [match] = await json('scan', target, '--bytes', hex, '--space', 'processes')
        expect(match).toMatchObject({ type: 'match', pid: notepad.pid, stable: true })

        const va = String(match?.['va'])
        await runCli('write', target, va, ...pid, '--hex', 'ff', '--allow-write')
        expect((await json('read', target, va, ...pid, '--length', '2'))[0]?.['data']).toBe('ff00')
      },
    )
  },
)
