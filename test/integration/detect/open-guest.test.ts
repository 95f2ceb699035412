import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DetectionCache } from '../../../src/coordinator/detection-cache.js'
import { type Guest, openGuest } from '../../../src/coordinator/guest.js'
import { openTarget } from '../../../src/coordinator/target.js'
import type { LinuxKernel } from '../../../src/os/linux/kernel.js'

const IMAGE = fileURLToPath(new URL('../../../examples/guest.kdump', import.meta.url))

const NONE = new DetectionCache(undefined)

/** What the tests ask a kernel for. */
function ask(guest: Guest | undefined): unknown {
  const { symbols, types, memory, ...told } = guest!.kernel
  return {
    ...told,
    init: symbols.addressOf('init_task'),
    none: symbols.addressOf('no_such_symbol'),
    size: types.sizeOf('task_struct'),
    member: types.member('task_struct', 'comm'),
    absent: types.member('task_struct', 'no_such_member'),
    bits: types.member('task_struct', 'sched_migrated'),
    enumerator: types.enumerator('TCP_ESTABLISHED'),
    members: types.members('list_head'),
    count: symbols.size,
    sources: [symbols.source, types.source],
  }
}

describe('opening the guest of an image', () => {
  let folder: string
  let image: string
  const open = async (): Promise<{
    guest: Guest | undefined
    answers: unknown
    cached: boolean | undefined
  }> => {
    using target = await openTarget(image)
    using guest = await openGuest(target, { cache: new DetectionCache(join(folder, 'cache')) })
    return { guest, answers: ask(guest), cached: guest?.cached }
  }
  const records = () => readdirSync(join(folder, 'cache'))

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vmsift-guest-'))
    image = join(folder, 'guest.kdump')
    copyFileSync(IMAGE, image)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('finds it the first time, and knows it the second time, with the same answers', async () => {
    const first = await open()
    expect(first.cached).toBe(false)
    expect(records()).toHaveLength(1)
    const second = await open()
    expect(second.cached).toBe(true)
    expect(second.answers).toEqual(first.answers)
    expect(first.answers).toMatchObject({ none: undefined, absent: undefined, size: 9728, enumerator: 1 })
  })

  it('does not believe a record that is broken, and writes it anew', async () => {
    await open()
    const [name] = records()
    const path = join(folder, 'cache', name!)
    const good = readFileSync(path, 'utf8')
    const plain = JSON.parse(good)
    for (const bad of [
      '',
      '{',
      '[]',
      good.slice(0, -20),
      JSON.stringify({ ...plain, version: 99 }),
      JSON.stringify({ ...plain, dtb: -4096 }),
      JSON.stringify({ ...plain, mode: 'constructor' }),
      JSON.stringify({ ...plain, banner: 'Linux version 1.0 (of another guest)' }),
      JSON.stringify({ ...plain, dtb: plain.dtb + 4096 }),
      JSON.stringify({ ...plain, symbolAnswers: { init_task: 'rm -rf' } }),
    ]) {
      writeFileSync(path, bad)
      const again = await open()
      expect(again.cached, bad.slice(0, 60)).toBe(false)
      expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(plain)
    }
    expect((await open()).cached).toBe(true)
  })

  it('looks anew when the file was changed since', async () => {
    await open()
    utimesSync(image, new Date(), new Date(Date.now() - 86_400_000))
    expect((await open()).cached).toBe(false)
    expect((await open()).cached).toBe(true)
  })

  it('opens the address space of a process with the kernel in it', async () => {
    using target = await openTarget(image)
    using guest = await openGuest(target, { cache: NONE })
    const { kernel } = guest!
    const banner = kernel.symbols.addressOf('linux_banner')!
    const space = guest!.openSpace(kernel.dtb)
    expect(Buffer.from(space.read(banner, 13).bytes).toString()).toBe('Linux version')
  })

  it('refuses a symbol file of another kernel, and fills in from one that fits', async () => {
    using target = await openTarget(image)
    using guest = await openGuest(target, { cache: NONE })
    const { symbols, kaslrOffset } = guest!.kernel as LinuxKernel
    const linked = (name: string, by = 0n) =>
      `${(symbols.addressOf(name)! - kaslrOffset + by).toString(16)} T ${name}`
    const path = join(folder, 'System.map-6.1.0-56-cloud-amd64')
    const names = ['_text', '_stext', 'schedule', 'do_exit', 'vfs_read']
    writeFileSync(
      path,
      `${names.map(name => linked(name)).join('\n')}\nffffffff82000000 d only_in_the_file\n`,
    )
    for (const choice of [path, folder]) {
      using other = await openTarget(image)
      using filled = await openGuest(other, { symbols: choice, cache: NONE })
      expect(filled?.kernel.symbols.addressOf('only_in_the_file')).toBe(0xffff_ffff_8200_0000n + kaslrOffset)
      expect(filled?.kernel.symbols.size).toBe(symbols.size)
    }
    process.env['VMSIFT_SYMBOLS'] = path
    const cache = new DetectionCache(join(folder, 'with-symbols'))
    const inFile = async (): Promise<boolean> => {
      using told = await openGuest(target, { cache })
      return told?.kernel.symbols.addressOf('only_in_the_file') !== undefined
    }
    try {
      expect(await inFile()).toBe(true)
      // what the file told is kept apart from what the guest alone tells
      delete process.env['VMSIFT_SYMBOLS']
      expect(await inFile()).toBe(false)
      process.env['VMSIFT_SYMBOLS'] = path
      expect(await inFile()).toBe(true)
    } finally {
      delete process.env['VMSIFT_SYMBOLS']
    }
    writeFileSync(path, `${names.map((name, i) => linked(name, BigInt(i * 16))).join('\n')}\n`)
    await expect(openGuest(target, { symbols: path, cache: NONE })).rejects.toThrow(
      /does not fit the guest's kernel 6\.1\.0-56-cloud-amd64/,
    )
    await expect(openGuest(target, { symbols: join(folder, 'none'), cache: NONE })).rejects.toMatchObject({
      code: 'target-not-found',
    })
    rmSync(path)
    await expect(openGuest(target, { symbols: folder, cache: NONE })).rejects.toThrow(
      /no symbol file in .* has 6\.1\.0-56/,
    )
  })
})
