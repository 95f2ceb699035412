/** Boots guests of the matrix and keeps what they left: dumps and truth, made again only when something changed. */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, runCommand } from './command.js'
import { labCache } from './debian.js'
import { dumpFileName } from './dump.js'
import { bootLabGuest, type LabGuest } from './guest.js'
import { type MatrixGuest, matrixGuest } from './guests.js'
import { fetchKernel, type Kernel } from './kernel.js'
import { MACHINES } from './machine.js'
import { saveTruth } from './truth-files.js'

/** `raw` starts where memory starts (machine.ts); `elf` has the registers. */
const FORMATS = ['raw', 'elf'] as const
const SPLIT_FORMATS = ['elf'] as const

/** Where the dumps are: `$VMSIFT_LAB_MATRIX` or a folder in the lab's cache. */
export function matrixDir(): string {
  return process.env.VMSIFT_LAB_MATRIX ?? join(labCache(), 'matrix')
}

/** What this guest needs and this machine lacks, in words, or undefined. */
export function missingFor({ kernel }: MatrixGuest): string | undefined {
  const { qemu, qemuPackage, compiler, compilerPackage } = MACHINES[kernel.architecture]
  const missing = [
    ...(findProgram(qemu) === undefined ? [`${qemu} (${qemuPackage})`] : []),
    ...(findProgram(compiler) === undefined ? [`${compiler} (${compilerPackage})`] : []),
  ]
  return missing.length === 0 ? undefined : missing.join(', ')
}

/** Boots one guest of the matrix. */
export async function bootMatrixGuest(name: string): Promise<LabGuest> {
  const { kernel, options } = matrixGuest(name)
  return bootLabGuest({ ...options, kernel: await fetchKernel(kernel) })
}

export interface GuestDump {
  readonly name: string
  /** Holds raw.img, elf.core, kallsyms.txt, truth.json and pagemap.bin. */
  readonly dir: string
  readonly kernel: Kernel
  /** Undefined when the dump was there already. */
  readonly bootSeconds?: number
}

/** The guest's dump: the one that is there if kernel, guest and lab are the same, else from a new boot. */
export async function dumpOf(name: string): Promise<GuestDump> {
  const guest = matrixGuest(name)
  const dir = join(matrixDir(), name)
  const kernel = await fetchKernel(guest.kernel)
  const stamp = await stampOf(guest, kernel)
  if ((await readFile(join(dir, 'stamp'), 'utf8').catch(() => '')) === stamp) return { name, dir, kernel }
  const fresh = `${dir}.${process.pid}`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true })
  try {
    const started = Date.now()
    await using running = await bootMatrixGuest(name)
    const bootSeconds = (Date.now() - started) / 1000
    await saveTruth(running, fresh)
    for (const format of guest.split ? SPLIT_FORMATS : FORMATS) {
      const path = join(fresh, dumpFileName(format))
      await running.dump(format, path)
      // Zeros need no room; without the program they take theirs.
      if (findProgram('fallocate') !== undefined) await runCommand('fallocate', ['--dig-holes', path])
    }
    await writeFile(join(fresh, 'stamp'), stamp)
    await rm(dir, { recursive: true, force: true })
    await rename(fresh, dir)
    return { name, dir, kernel, bootSeconds }
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw error
  }
}

/** Changes with the kernel package, the guest's options and whatever of the lab goes into a guest or its truth. */
async function stampOf(guest: MatrixGuest, kernel: Kernel): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([guest.kernel, guest.options, kernel.packageVersion, kernel.busyboxVersion]))
  const lab = fileURLToPath(new URL('.', import.meta.url))
  const parts = (await readdir(lab)).filter(name =>
    /^(truth|witness|page-file|qemu-view|gdb-|markers|initramfs)/.test(name),
  )
  const programs = (await readdir(join(lab, 'guest'))).map(name => join('guest', name))
  for (const name of [...parts, ...programs].sort()) hash.update(await readFile(join(lab, name)))
  return hash.digest('hex')
}
