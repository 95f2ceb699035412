/** The memory map without a monitor, compared with what the monitor of the same QEMU says. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseCommandLine } from '../../../src/qemu/command-line.js'
import { guessSections } from '../../../src/qemu/layout.js'
import { type MemorySection, memorySections, mergeSections } from '../../../src/qemu/memory-map.js'
import { hostMappings } from '../../../src/qemu/process-maps.js'
import { qemuProcess } from '../../../src/qemu/processes.js'
import { findProgram } from '../../lab/command.js'
import { startQemu } from '../../lab/qemu-process.js'
import { connectQmp } from '../../lab/qmp.js'

const QEMU = findProgram('qemu-system-x86_64')
const NODES = '-numa node,memdev=a -numa node,memdev=b'

/** QEMU's arguments, and what of its memory map a command line can't tell: where ROM and devices' memory begins. */
const MACHINES: Readonly<Record<string, string>> = {
  'pc with 256 MiB of its own': '-machine pc -m 256M',
  'pc with a VGA card': '-machine pc -m 256M -vga std',
  'pc with 5 GiB': '-machine pc -m 5G',
  'pc with 3.5 GiB': '-machine pc -m 3584M',
  'q35 with 2.5 GiB': '-machine q35 -m 2560M',
  'q35 with 5 GiB in a memfd':
    '-machine q35,memory-backend=m -m 5G -object memory-backend-memfd,id=m,size=5G,share=on',
  'q35 with two backends': `-machine q35 -m 5G -object memory-backend-ram,id=a,size=2G -object memory-backend-memfd,id=b,size=3G ${NODES}`,
  'pc with a file':
    '-machine pc,memory-backend=m -m 64M -object memory-backend-file,id=m,size=64M,mem-path=DIR/memory,share=on',
  microvm: '-machine microvm -m 256M',
}

describe.skipIf(QEMU === undefined)(
  `the memory map from the command line alone${QEMU === undefined ? ' (skipped: qemu-system-x86_64 not found)' : ''}`,
  () => {
    it.each(Object.entries(MACHINES))('is that of the monitor: %s', async (_name, words) => {
      const dir = mkdtempSync(join(tmpdir(), 'vmsift-layout-'))
      const socket = join(dir, 'qmp')
      const fixed = ['-nodefaults', '-display', 'none', '-S', '-qmp', `unix:${socket},server=on,wait=off`]
      const qemu = startQemu(QEMU as string, [...words.replace('DIR', dir).split(' '), ...fixed], dir)
      try {
        using monitor = await connectQmp(socket, AbortSignal.timeout(30_000))
        const told = await memorySections(monitor)
        const commandLine = qemuProcess(qemu.pid)?.commandLine
        if (commandLine === undefined) throw new Error('QEMU has ended')
        const guessed = guessSections(commandLine, hostMappings(qemu.pid))
        const ram = told.filter(section => guessed.some(other => overlaps(section, other)))
        expect(mergeSections(aboveFirmware(guessed))).toEqual(mergeSections(aboveFirmware(ram)))
      } finally {
        await qemu.stop()
        rmSync(dir, { recursive: true, force: true })
      }
    })

    it('is refused, with what to do, where it can not be told', () => {
      const commandLine = qemuCommandLine('-machine sun4m -m 64M')
      expect(() => guessSections(commandLine, [])).toThrow('-qmp unix:PATH')
    })

    it('leaves a microvm the memory that a VGA card would hide', () => {
      const mapping = (start: number, bytes: number, flags: string) => {
        return { start, end: start + bytes, flags, offset: 0, inode: 0, path: '' }
      }
      const bytes = 64 * 2 ** 20
      const mappings = [mapping(2 ** 40, bytes, 'rw-p'), mapping(2 ** 40 + bytes, 4096, '---p')]
      expect(guessSections(qemuCommandLine('-machine microvm -m 64M'), mappings)).toEqual([
        { gpa: 0, length: bytes, pointer: 2 ** 40 },
      ])
    })
  },
)

function qemuCommandLine(words: string) {
  return parseCommandLine(['qemu-system-x86_64', ...words.split(' ')])
}

function overlaps(a: MemorySection, b: MemorySection): boolean {
  return a.gpa < b.gpa + b.length && b.gpa < a.gpa + a.length
}

/** Before the firmware has run, ROM stands where it will copy itself to. */
function aboveFirmware(sections: readonly MemorySection[]): MemorySection[] {
  return sections.flatMap(({ gpa, length, pointer }) => {
    const cut = Math.max(0, 0x10_0000 - gpa)
    return cut >= length ? [] : [{ gpa: gpa + cut, length: length - cut, pointer: pointer + cut }]
  })
}
