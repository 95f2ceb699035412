/** The guest's first file system: busybox, the init script, the marker program and a few modules. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from './command.js'
import { CPIO_CHARACTER_DEVICE, CPIO_DIRECTORY, CPIO_FILE, CPIO_PROGRAM, writeCpio } from './cpio.js'
import { collectFill, type Fill } from './fill.js'
import type { Kernel } from './kernel.js'
import { type GuestArchitecture, MACHINES } from './machine.js'
import { collectModules } from './modules.js'

/** The control port needs the first two; qemu_fw_cfg hands VMCOREINFO to QEMU; the others are there to be found. */
export const LAB_MODULES = ['virtio_pci', 'virtio_console', 'qemu_fw_cfg', 'brd', 'dummy', 'loop']

/** What swap in compressed memory takes; a kernel that has them built in, or not at all, goes without. */
export const SWAP_MODULES = ['lzo_rle', 'lz4', 'zstd', 'zram']

const MARKER_SOURCES = ['marker.c', 'plant.c', 'extras.c']

/** The archive for `-initrd`, uncompressed. Compiles the marker program. */
export async function buildInitramfs(
  kernel: Kernel,
  moduleNames: readonly string[] = LAB_MODULES,
  fill?: Fill,
): Promise<Buffer> {
  const modules = await collectModules(kernel.modules, moduleNames)
  const order = modules.map(module => `${module.name}.ko\n`).join('')
  return writeCpio([
    ...['bin', 'dev', 'lib', 'lib/modules'].map(path => ({ path, mode: CPIO_DIRECTORY })),
    { path: 'dev/console', mode: CPIO_CHARACTER_DEVICE, device: [5, 1] },
    { path: 'init', mode: CPIO_PROGRAM, data: await readFile(guestFile('init')) },
    { path: 'bin/busybox', mode: CPIO_PROGRAM, data: await readFile(kernel.busybox) },
    {
      path: 'bin/marker',
      mode: CPIO_PROGRAM,
      data: await compileStatic(MARKER_SOURCES.map(guestFile), kernel.architecture),
    },
    {
      path: 'bin/witness',
      mode: CPIO_PROGRAM,
      data: await compileStatic(guestFile('witness.c'), kernel.architecture),
    },
    { path: 'lib/modules/order', mode: CPIO_FILE, data: Buffer.from(order) },
    ...modules.map(({ name, data }) => ({ path: `lib/modules/${name}.ko`, mode: CPIO_FILE, data })),
    ...(fill === undefined ? [] : await collectFill(fill)),
  ])
}

/** Compiles C files into a static, stripped program and returns its bytes. */
export async function compileStatic(
  source: string | readonly string[],
  architecture: GuestArchitecture = 'amd64',
): Promise<Buffer> {
  const dir = await mkdtemp(join(tmpdir(), 'vmsift-cc-'))
  try {
    const program = join(dir, 'program')
    const flags = ['-O1', '-Wall', '-D_FILE_OFFSET_BITS=64', '-static', '-pthread', '-s']
    const sources = typeof source === 'string' ? [source] : source
    await runCommand(MACHINES[architecture].compiler, [...flags, '-o', program, ...sources])
    return await readFile(program)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function guestFile(name: string): string {
  return fileURLToPath(new URL(`guest/${name}`, import.meta.url))
}
