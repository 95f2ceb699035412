/** Stubs that don't behave: every one must end in one clear error, soon. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { GdbStub } from '../../../src/qemu/gdbstub.js'
import { encodePacket, PacketReader } from '../../../src/qemu/gdbstub-packet.js'

const TIMEOUT_MS = 300
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function listen(onClient: (socket: Socket) => void): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vmsift-stub-'))
  const path = join(folder, 'gdb')
  const server: Server = createServer(socket => {
    socket.on('error', () => undefined)
    cleanups.push(() => void socket.destroy())
    onClient(socket)
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  cleanups.push(() => new Promise(resolve => server.close(resolve)))
  return path
}

/** Answers packets as QEMU does; `answers` replaces some, undefined says nothing at all. */
function behaved(answers: Readonly<Record<string, string | undefined>>): (socket: Socket) => void {
  const usual: Readonly<Record<string, string>> = {
    qSupported: 'PacketSize=1000;qXfer:features:read+',
    '?': 'T05thread:01;',
    'qXfer:features:read:target.xml':
      'l<architecture>i386:x86-64</architecture><reg name="rax" bitsize="64"/><reg name="rip" bitsize="64"/>',
    qfThreadInfo: 'm01',
    qsThreadInfo: 'l',
    Hg: 'OK',
    g: '11000000000000002200000000000000',
    qThreadExtraInfo: '',
  }
  return socket => {
    const reader = new PacketReader()
    socket.on('data', chunk => {
      for (const item of reader.push(chunk)) {
        if (item.kind !== 'packet') continue
        socket.write('+')
        const all: Readonly<Record<string, string | undefined>> = { ...usual, ...answers }
        const key = Object.keys(all).find(start => item.text.startsWith(start))
        const answer = key === undefined ? '' : all[key]
        if (answer !== undefined) socket.write(encodePacket(answer))
      }
    })
  }
}

const open = (path: string): Promise<GdbStub> =>
  GdbStub.open({ kind: 'unix', path }, { timeoutMs: TIMEOUT_MS })

describe('a gdbstub that does not behave', () => {
  it('is found out when it never answers', async () => {
    const path = await listen(() => undefined)
    await expect(open(path)).rejects.toMatchObject({
      code: 'monitor-failed',
      message: expect.stringContaining('another debugger is connected, or QEMU hangs'),
    })
  })

  it('is found out when it talks nonsense', async () => {
    const path = await listen(socket => void socket.write('220 mail.example ESMTP\r\n'.repeat(1000)))
    await expect(open(path)).rejects.toMatchObject({ code: 'monitor-failed' })
  })

  it('is found out when it sends bytes without end', async () => {
    const path = await listen(socket => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(1 << 16, 0x24)));
      }
      socket.on('drain', more)
      more()
    })
    await expect(open(path)).rejects.toMatchObject({ code: 'monitor-failed' })
  })

  it('is found out when it calls every packet broken', async () => {
    const path = await listen(socket => void socket.on('data', () => socket.write('-')))
    await expect(open(path)).rejects.toMatchObject({ code: 'monitor-failed' })
  })

  it('is found out when all its packets are broken', async () => {
    const path = await listen(socket => void socket.on('data', () => socket.write('$OK#00')))
    await expect(open(path)).rejects.toMatchObject({ code: 'monitor-failed' })
  })

  it('is told as gone when it hangs up', async () => {
    const path = await listen(socket => void socket.on('data', () => socket.destroy()))
    await expect(open(path)).rejects.toMatchObject({ code: 'guest-gone' })
  })

  it('is told as not there when nobody listens', async () => {
    await expect(open('/nonexistent/gdb')).rejects.toMatchObject({ code: 'target-not-found' })
  })

  it('is found out when it lists processors without end', async () => {
    const path = await listen(behaved({ qsThreadInfo: `m${'01,'.repeat(900)}01` }))
    await expect(open(path)).rejects.toMatchObject({ code: 'monitor-failed' })
  })

  it('is found out when it lists more processors at once than could be', async () => {
    const path = await listen(behaved({ qfThreadInfo: `m${'1,'.repeat(400_000)}1` }))
    await expect(open(path)).rejects.toMatchObject({ code: 'monitor-failed' })
  })

  it('has no registers where it answers with an error, or says that they are unknown', async () => {
    const path = await listen(behaved({ g: 'E01', p: 'xxxxxxxxxxxxxxxx' }))
    const stub = await open(path)
    expect([...(await stub.registers(0))]).toEqual([])
    expect(await stub.register(0, 'rax')).toBeUndefined()
    stub.close()
  })

  it('tells its registers where it behaves', async () => {
    const stub = await open(await listen(behaved({})))
    expect(Object.fromEntries(await stub.registers(0))).toEqual({ rax: 0x11n, rip: 0x22n })
    await expect(stub.registers(1)).rejects.toMatchObject({ code: 'out-of-range' })
    stub.close()
  })

  it('is found out when a step never ends', async () => {
    const stub = await open(await listen(behaved({ 'vCont;s': undefined })))
    await expect(stub.step(0)).rejects.toMatchObject({ code: 'monitor-failed' })
    expect(stub.ended).toBeDefined()
  })

  it('is found out when it refuses to let the guest run', async () => {
    const stub = await open(await listen(behaved({ 'vCont;c': 'E22' })))
    const said = await new Promise(resolve => void stub.resume(resolve))
    expect(said).toMatchObject({ code: 'monitor-failed' })
    stub.close()
  })

  it('is found out when it refuses a breakpoint', async () => {
    const stub = await open(await listen(behaved({ Z1: 'E22' })))
    await expect(stub.insert({ kind: 'break', address: 0x1000n })).rejects.toMatchObject({
      code: 'monitor-failed',
      message: expect.stringContaining('0x1000'),
    })
    stub.close()
  })
})
