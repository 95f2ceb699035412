/** A QEMU whose guest never starts, with real content for memory: what reading a guest costs, and nothing else. */
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isLive } from '../src/coordinator/live.js'
import { openTarget } from '../src/coordinator/target.js'
import { isWritable } from '../src/core/memory.js'
import { type QemuProcess, startQemu } from '../test/lab/qemu-process.js'
import { connectQmp } from '../test/lab/qmp.js'
import { MIB, readAt } from './data.js'

export type Backing = 'anonymous' | 'memfd' | 'file' | 'huge'

export interface BenchGuest extends AsyncDisposable {
  readonly target: string
  readonly pid: number
  /** Where the memory above the first MiB lies in QEMU. */
  readonly pointer: number
}

/** Memory below is the firmware's. */
export const FIRST_BYTE = MIB
const PIECE_BYTES = 4 * MIB

/** Starts one with `megabytes` of memory, filled from `image` but for the first MiB. */
export async function startGuest(backing: Backing, megabytes: number, image: string): Promise<BenchGuest> {
  const dir = mkdtempSync('/dev/shm/vmsift-bench-')
  const socket = join(dir, 'qmp')
  const name = `vmsift-bench-${backing}-${process.pid}`
  const object = {
    anonymous: 'ram',
    memfd: 'memfd',
    file: `file,mem-path=${dir}/memory`,
    huge: 'memfd,hugetlb=on,hugetlbsize=2M',
  }[backing]
  const share = backing === 'anonymous' ? '' : ',share=on'
  const qemu: QemuProcess = startQemu(
    'qemu-system-x86_64',
    [
      ...['-name', name, '-S', '-nodefaults', '-display', 'none', '-machine', 'pc,memory-backend=ram'],
      ...['-m', `${megabytes}M`, '-object', `memory-backend-${object},id=ram,size=${megabytes}M${share}`],
      ...['-qmp', `unix:${socket},server=on,wait=off`],
    ],
    dir,
  )
  const stop = async (): Promise<void> => {
    await qemu.stop()
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const monitor = await connectQmp(socket, AbortSignal.timeout(30_000))
    const answer = await monitor.human(`gpa2hva ${FIRST_BYTE}`)
    monitor.close()
    const target = `qemu:${name}`
    await fill(target, megabytes, image)
    const pointer = Number.parseInt(/is (0x[0-9a-f]+)/.exec(answer)?.[1] ?? '', 16)
    return { target, pid: qemu.pid, pointer, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function fill(name: string, megabytes: number, image: string): Promise<void> {
  using target = await openTarget(name, { allowWrite: true })
  const { memory } = target
  if (!isLive(target) || !isWritable(memory)) throw new Error(`${name} can't be filled`)
  const fd = openSync(image, 'r')
  const piece = Buffer.alloc(PIECE_BYTES)
  try {
    for (let at = FIRST_BYTE; at < megabytes * MIB; at += piece.length) {
      const got = readAt(fd, piece, at)
      memory.write(at, piece.subarray(0, Math.min(got, megabytes * MIB - at)))
    }
  } finally {
    closeSync(fd)
  }
}
