/**
 * Makes examples/guest.kdump anew: `node --import tsx scripts/make-demo-image.ts [OUTPUT]`. Needs what the lab needs
 * (scripts/setup-debian.sh). The guest is as small as it gets: no tracing files and no slab files in /sys (two blocked
 * initcalls), freed memory cleared, page cache dropped.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { labAvailable } from '../test/lab/available.js'
import {
  CPIO_CHARACTER_DEVICE,
  CPIO_DIRECTORY,
  CPIO_FILE,
  CPIO_PROGRAM,
  writeCpio,
} from '../test/lab/cpio.js'
import { compileStatic } from '../test/lab/initramfs.js'
import { fetchKernel, type Kernel } from '../test/lab/kernel.js'
import { collectModules } from '../test/lab/modules.js'
import { startQemu } from '../test/lab/qemu-process.js'
import { connectQmp } from '../test/lab/qmp.js'
import { makeWorkDir } from '../test/lab/work-dir.js'
import { bestDeflate } from './demo-image/deflate.js'
import { repackKdump, unflatten } from './demo-image/repack-kdump.js'

const MEMORY_MB = 80
const BOOT_MS = 60_000
const CMDLINE = [
  'console=ttyS0 quiet panic=-1',
  'init_on_free=1 init_on_alloc=1',
  'initcall_blacklist=tracer_init_tracefs,slab_sysfs_init',
].join(' ')

async function initramfs(kernel: Kernel): Promise<Buffer> {
  const program = await compileStatic(source('guest.c'))
  const modules = await collectModules(kernel.modules, ['qemu_fw_cfg', 'dummy'])
  const folders = ['bin', 'dev', 'etc', 'home', 'home/ada', 'lib', 'proc', 'run', 'sys']
  return writeCpio([
    ...folders.map(path => ({ path, mode: CPIO_DIRECTORY })),
    { path: 'dev/console', mode: CPIO_CHARACTER_DEVICE, device: [5, 1] },
    { path: 'init', mode: CPIO_PROGRAM, data: program },
    ...['shop-server', 'note-editor'].map(name => ({
      path: `bin/${name}`,
      mode: 0o120777,
      data: Buffer.from('/init'),
    })),
    { path: 'etc/shop.conf', mode: CPIO_FILE, data: await readFile(source('shop.conf')) },
    { path: 'home/ada/notes.txt', mode: CPIO_FILE, data: await readFile(source('notes.txt')) },
    ...modules.map(({ name, data }) => ({ path: `lib/${name}.ko`, mode: CPIO_FILE, data })),
  ])
}

function source(name: string): string {
  return fileURLToPath(new URL(`demo-image/${name}`, import.meta.url))
}

/** Boots the guest, waits until it says that it is ready, stops it and returns QEMU's flattened kdump. */
async function dumpGuest(kernel: Kernel): Promise<Buffer> {
  const dir = await makeWorkDir(MEMORY_MB << 20)
  const file = (name: string): string => join(dir, name)
  await writeFile(file('initramfs'), await initramfs(kernel))
  const qemu = startQemu(
    'qemu-system-x86_64',
    [
      ...['-name', 'vmsift-demo', '-nodefaults', '-display', 'none', '-no-reboot', '-m', `${MEMORY_MB}M`],
      ...['-machine', 'pc', '-accel', 'tcg,thread=single', '-cpu', 'qemu64', '-device', 'vmcoreinfo'],
      ...['-kernel', kernel.vmlinuz, '-initrd', file('initramfs'), '-append', CMDLINE],
      ...['-serial', `file:${file('serial')}`, '-qmp', `unix:${file('qmp')},server=on,wait=off`],
    ],
    dir,
  )
  try {
    const deadline = Date.now() + BOOT_MS
    const qmp = await connectQmp(file('qmp'), AbortSignal.timeout(BOOT_MS))
    for (let log = ''; !log.includes('demo: ready'); log = await readFile(file('serial'), 'utf8')) {
      if (Date.now() > deadline || /demo: (no|a) |Kernel panic/.test(log))
        throw new Error(`the demo guest did not come up:\n${log.slice(-2000)}`)
      await sleep(100)
    }
    await qmp.execute('stop')
    const dump = { paging: false, protocol: `file:${file('dump')}`, format: 'kdump-zlib' }
    await qmp.execute('dump-guest-memory', dump, { timeoutMs: BOOT_MS })
    qmp.close()
    return await readFile(file('dump'))
  } finally {
    await qemu.stop()
  }
}

const lab = await labAvailable()
if (!lab.ok) throw new Error(`the demo image can't be made here: ${lab.reason}`)
const output = resolve(process.argv[2] ?? 'examples/guest.kdump')
const kernel = await fetchKernel()
const image = repackKdump(unflatten(await dumpGuest(kernel)), bestDeflate())
await writeFile(output, image)
process.stdout.write(
  `${output}: ${image.length} bytes, ${MEMORY_MB} MiB of guest memory\n` +
    `kernel package ${kernel.packageName} ${kernel.packageVersion}, source package ${kernel.source}\n`,
)
