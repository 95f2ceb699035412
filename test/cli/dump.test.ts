import { readdirSync, readFileSync, statSync, symlinkSync, truncateSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { limeImage, memoryWith, TestFolder } from './images.js'
import { parseLines, runCli, startCli } from './run-cli.js'

const folder = new TestFolder()
afterAll(() => folder[Symbol.dispose]())

// A zero stretch in the middle, and a length that is no multiple of a page.
const BYTES = memoryWith((2 << 20) + 100, { 0: 'begin', 2097151: 'joint' }).fill(0, 0x40000, 0x80000)
const IMAGE = folder.file('image.raw', BYTES)

describe('dump', () => {
  it('comes back the same from raw through LiME and ELF to raw', async () => {
    const steps = [IMAGE, folder.at('a.lime'), folder.at('a.vmcore'), folder.at('a.img')]
    for (let at = 1; at < steps.length; at++) {
      const { code, stderr } = await runCli('dump', steps[at - 1]!, '-o', steps[at]!)
      expect(stderr.replace(/.*architecture unknown.*\n/, '')).toBe('')
      expect(code).toBe(0)
    }
    expect(JSON.parse((await runCli('info', steps[1]!, '--json')).stdout).format).toBe('lime')
    expect(JSON.parse((await runCli('info', steps[2]!, '--json')).stdout).format).toBe('elf')
    expect(readFileSync(steps[3]!).equals(BYTES)).toBe(true)
  })

  it('keeps holes sparse, and addresses are file offsets in raw', async () => {
    const far = 2 ** 36
    const bytes = memoryWith(8192)
    const source = folder.file('far.lime', limeImage({ gpa: 0x1000, bytes }, { gpa: far, bytes }))
    const { stdout } = await runCli('dump', source, '-o', folder.at('far.raw'), '--json')
    expect(parseLines(stdout)).toEqual([
      expect.objectContaining({
        type: 'summary',
        target: source,
        output: folder.at('far.raw'),
        outputFormat: 'raw',
        bytesTotal: 16384,
        bytesWritten: 16384,
        bytesUnread: 0,
        bytesFailed: 0,
        fileBytes: far + 8192,
        complete: true,
      }),
    ])
    const { size, blocks } = statSync(folder.at('far.raw'))
    expect(size).toBe(far + 8192)
    expect(blocks * 512).toBeLessThan(1 << 20)
    const { bytes: back } = await runCli(
      'read',
      folder.at('far.raw'),
      String(far),
      '--length',
      '8192',
      '--raw',
    )
    expect(back.equals(bytes)).toBe(true)
  })

  it('lets --output-format override the ending', async () => {
    await runCli('dump', IMAGE, '-o', folder.at('odd.raw'), '--output-format', 'elf')
    expect(readFileSync(folder.at('odd.raw')).subarray(0, 4).toString('latin1')).toBe('\x7fELF')
  })

  it('refuses a file that exists unless --force', async () => {
    const path = folder.file('taken.lime', 'precious')
    const refused = await runCli('dump', IMAGE, '-o', path)
    expect(refused.stderr).toMatch(/^vmsift: .*exists already.*--force\n$/)
    expect(refused.code).toBe(2)
    expect(readFileSync(path, 'utf8')).toBe('precious')
    expect((await runCli('dump', IMAGE, '-o', path, '--force')).code).toBe(0)
    expect(statSync(path).size).toBe(BYTES.length + 32)
  })

  it('refuses its input, through a link too, even with --force', async () => {
    symlinkSync(IMAGE, folder.at('link.raw'))
    for (const path of [IMAGE, folder.at('link.raw')]) {
      const { code, stderr } = await runCli('dump', IMAGE, '-o', path, '--force')
      expect(stderr).toMatch(/^vmsift: .*input.*\n$/)
      expect(code).toBe(2)
    }
    expect(readFileSync(IMAGE).equals(BYTES)).toBe(true)
  })

  it('refuses folders and devices', async () => {
    for (const path of [folder.path, '/dev/full']) {
      const { code, stderr } = await runCli('dump', IMAGE, '-o', path, '--force')
      expect(stderr).toMatch(/^vmsift: cannot write .*is not a file.*\n$/)
      expect(code).toBe(2)
    }
  })

  it('names a folder that is not there', async () => {
    const { code, stderr } = await runCli('dump', IMAGE, '-o', folder.at('none/x.lime'))
    expect(stderr).toMatch(/^vmsift: cannot write .*no such file or folder\n$/)
    expect(code).toBe(2)
  })

  it('leaves nothing behind at Ctrl-C', async () => {
    const source = folder.file('big.raw', Buffer.alloc(512 << 20, 'x'))
    const { child, result } = startCli(['dump', source, '-o', folder.at('big.lime'), '--progress'])
    await new Promise<void>(resolve => {
      const wait = setInterval(() => {
        if (!readdirSync(folder.path).some(name => name.endsWith('.tmp'))) return
        clearInterval(wait)
        resolve()
      }, 5)
    })
    child.kill('SIGINT')
    const { code, stderr } = await result
    expect(stderr).toMatch(/interrupted/)
    expect(code).toBe(130)
    expect(readdirSync(folder.path).filter(name => /tmp|big\.lime/.test(name))).toEqual([])
    truncateSync(source)
  })
})
