import { readFileSync, truncateSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { limeImage, memoryWith, TestFolder } from './images.js'
import { runCli, runShell, startCli } from './run-cli.js'

const folder = new TestFolder()
afterAll(() => folder[Symbol.dispose]())

const BYTES = memoryWith(3 << 20, { 256: 'hello, guest\n' })
const IMAGE = folder.file('image.raw', BYTES)
const LIME = folder.file('image.lime', limeImage({ gpa: 0x1000, bytes: BYTES.subarray(0, 0x2000) }))

describe('read', () => {
  it('prints a hexdump', async () => {
    const { code, stdout } = await runCli('read', IMAGE, '0x100', '--length', '12')
    expect(stdout).toBe('0x00000100: 6865 6c6c 6f2c 2067 7565 7374            hello, guest\n')
    expect(code).toBe(0)
  })

  it('reads 256 bytes unless told otherwise', async () => {
    expect((await runCli('read', IMAGE, '0')).stdout.trim().split('\n')).toHaveLength(16)
  })

  it('writes the bytes themselves with --raw', async () => {
    const { bytes } = await runCli('read', IMAGE, '1K', '--length', '2M', '--raw')
    expect(bytes.equals(BYTES.subarray(1024, 1024 + (2 << 20)))).toBe(true)
  })

  it('prints address, length and data with --json', async () => {
    const { stdout } = await runCli('read', LIME, '0x1100', '--length', '5', '--json')
    expect(JSON.parse(stdout)).toEqual({ address: '0x1100', length: 5, data: '68656c6c6f' })
    expect(stdout.endsWith('}\n')).toBe(true)
  })

  it('prints what there is, tells where memory ends, and exits with 3', async () => {
    const { code, stdout, stderr } = await runCli('read', LIME, '0x2ffc', '--length', '4096', '--json')
    expect(JSON.parse(stdout)).toEqual({
      address: '0x2ffc',
      length: 4,
      data: BYTES.subarray(0x1ffc, 0x2000).toString('hex'),
    })
    expect(stderr).toBe('vmsift: memory ends at 0x3000, 4.00 KiB early\n')
    expect(code).toBe(3)
  })

  it('takes a length of 2^60 without room for it', async () => {
    const { code, bytes } = await runCli('read', IMAGE, '2M', '--length', '0x1000000000000000', '--raw')
    expect(bytes.equals(BYTES.subarray(2 << 20))).toBe(true)
    expect(code).toBe(3)
  })

  it('stops at Ctrl-C even when it writes to a file', async () => {
    const wide = folder.file('wide.raw')
    truncateSync(wide, 2 ** 40)
    const { child, result } = startCli(['read', wide, '0', '--length', '1T', '--raw'])
    child.stdout?.removeAllListeners('data')
    child.stdout?.once('data', () => {
      child.kill('SIGINT')
      child.stdout?.resume()
    })
    expect((await result).code).toBe(130)
  })

  it('ends silently when the reader closes stdout', async () => {
    const { stdout, stderr } = await runShell(
      '"$@" | head -c 4; echo $PIPESTATUS',
      'read',
      IMAGE,
      '0',
      '-l',
      '3M',
    )
    expect(stdout).toBe('0x000\n')
    expect(stderr).toBe('')
  })

  it('never changes the image', () => {
    expect(readFileSync(IMAGE).equals(BYTES)).toBe(true)
  })
})
