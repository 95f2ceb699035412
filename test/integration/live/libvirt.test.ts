/** A real libvirt daemon, and a guest whose monitor it keeps to itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isLive } from '../../../src/coordinator/live.js'
import { listGuests, openTarget } from '../../../src/index.js'
import { openMonitor } from '../../../src/qemu/open-monitor.js'
import { parseLines, startCli } from '../../cli/run-cli.js'
import { findProgram } from '../../lab/command.js'
import { type LabLibvirt, libvirtMissing, startLibvirt } from '../../lab/libvirt.js'

const NAME = `vmsift-domain-${process.pid}`
const missing = findProgram('qemu-system-x86_64') === undefined ? 'no qemu-system-x86_64' : libvirtMissing()

describe.skipIf(missing !== undefined)(`a libvirt domain${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let libvirt: LabLibvirt
  const before = process.env['LIBVIRT_DEFAULT_URI']

  beforeAll(async () => {
    libvirt = await startLibvirt()
    await libvirt.createDomain(NAME)
    process.env['LIBVIRT_DEFAULT_URI'] = libvirt.uri
  })

  afterAll(async () => {
    if (before === undefined) delete process.env['LIBVIRT_DEFAULT_URI']
    else process.env['LIBVIRT_DEFAULT_URI'] = before
    await libvirt?.[Symbol.asyncDispose]()
  })

  it('is listed under its name there, once', async () => {
    const own = (await listGuests()).filter(({ name }) => name === NAME)
    expect(own).toMatchObject([{ target: `libvirt:${NAME}`, bytes: 64 << 20, state: 'running' }])
  })

  it('is opened by its name and by its process, with its map from the monitor', async () => {
    using target = await openTarget(`libvirt:${NAME}`)
    if (!isLive(target)) throw new Error('it is live')
    expect(target).toMatchObject({ format: 'libvirt', live: true, vcpus: 1, warnings: [] })
    // the firmware, which only the monitor knows of
    expect(target.runs.at(-1)).toEqual({ gpa: 0xfffc_0000, length: 0x4_0000 })
    using same = await openTarget(`qemu:${target.guest.process?.pid}`)
    expect(same.runs).toEqual(target.runs)
  })

  it('is paused for a scan through libvirt, and runs afterwards', async () => {
    const words = ['scan', `libvirt:${NAME}`, '--text', 'SeaBIOS', '--pause', '--json']
    const { code, stdout, stderr } = await startCli(words, { LIBVIRT_DEFAULT_URI: libvirt.uri }).result
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(parseLines(stdout).at(-1)).toMatchObject({ complete: true, consistency: { changedPages: 0 } })
    expect(await libvirt.virsh('domstate', NAME)).toContain('running')
  })

  it('is paused, asked for its registers and resumed by name', async () => {
    const run = async (...words: string[]) =>
      (await startCli(words, { LIBVIRT_DEFAULT_URI: libvirt.uri }).result).code
    const target = `libvirt:${NAME}`
    expect(await run('pause', target)).toBe(0)
    expect(await libvirt.virsh('domstate', NAME)).toContain('paused')
    const regs = await startCli(['regs', target, '--json'], { LIBVIRT_DEFAULT_URI: libvirt.uri }).result
    expect(parseLines(regs.stdout)).toMatchObject([{ vcpu: 0, cr0: expect.stringMatching(/^0x/) }])
    expect(await run('resume', target)).toBe(0)
    expect(await libvirt.virsh('domstate', NAME)).toContain('running')
  })

  it("passes on what QEMU's monitor says, and what it refuses", async () => {
    using target = await openTarget(`libvirt:${NAME}`)
    if (!isLive(target)) throw new Error('it is live')
    using monitor = await openMonitor(target.guest)
    expect(await monitor.execute('query-status')).toMatchObject({ running: true })
    expect(await monitor.human('info version')).toMatch(/^\d+\.\d+/)
    await expect(monitor.execute('no-such-command')).rejects.toMatchObject({ code: 'monitor-failed' })
  })

  it('keeps nobody waiting when its QEMU hangs, and is told as gone when that is killed', async () => {
    const other = `${NAME}-hangs`
    await libvirt.createDomain(other)
    using target = await openTarget(`libvirt:${other}`)
    if (!isLive(target)) throw new Error('it is live')
    using monitor = await openMonitor(target.guest)
    const pid = target.guest.process?.pid ?? 0
    process.kill(pid, 'SIGSTOP')
    const { code, stdout } = await startCli(['list'], { LIBVIRT_DEFAULT_URI: libvirt.uri }).result
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`libvirt:${other} .* not told `))
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => target.isRunning()).toBe(false)
    await expect(monitor.execute('query-status')).rejects.toMatchObject({ code: 'guest-gone' })
  }, 25_000)

  it('is not found under another name, and the message says so', async () => {
    const found = startCli(['info', 'libvirt:no-such-domain'], { LIBVIRT_DEFAULT_URI: libvirt.uri })
    const { code, stderr } = await found.result
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('no-such-domain') })
  })

  it('says that there is no daemon where there is none', async () => {
    const uri = 'qemu+unix:///session?socket=/nonexistent/libvirt-sock'
    const { code, stderr } = await startCli(['info', 'libvirt:any'], { LIBVIRT_DEFAULT_URI: uri }).result
    expect({ code, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, lines: 1 })
    expect(stderr).toContain("can't connect to libvirt")
  })
})
