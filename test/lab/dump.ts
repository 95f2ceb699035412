/** Writes a stopped guest's memory in every format QEMU and makedumpfile offer here. */
import { copyFile, rm } from 'node:fs/promises'
import type { Monitor } from '../../src/qemu/monitor.js'
import { findProgram, runCommand } from './command.js'
import type { GuestArchitecture } from './machine.js'
import { mendElfHeader } from './mend-elf.js'

/**
 * `raw`: pmemsave from where memory starts, so for guests without memory above the PCI hole. `backend`: a copy of the file behind
 * the memory. `elf`, `elf-paging` and `kdump-*`: QEMU's dump-guest-memory (kdump flattened). `kdump-*-unflattened`:
 * rearranged by makedumpfile -R. `makedumpfile-*`: written by makedumpfile from QEMU's ELF; `excluded` leaves pages out
 * (-d 31), `flat` is flattened.
 */
export type DumpFormat = (typeof ALL_DUMP_FORMATS)[number]

export const ALL_DUMP_FORMATS = [
  'raw',
  'backend',
  'elf',
  'elf-paging',
  'kdump-zlib',
  'kdump-lzo',
  'kdump-snappy',
  'kdump-raw-zlib',
  'kdump-raw-lzo',
  'kdump-raw-snappy',
  'kdump-zlib-unflattened',
  'makedumpfile-none',
  'makedumpfile-zlib',
  'makedumpfile-lzo',
  'makedumpfile-snappy',
  'makedumpfile-zstd',
  'makedumpfile-flat',
  'makedumpfile-excluded',
  'makedumpfile-elf-excluded',
] as const

/** Formats that leave pages out on purpose. */
export const EXCLUDING_FORMATS: ReadonlySet<DumpFormat> = new Set([
  'makedumpfile-excluded',
  'makedumpfile-elf-excluded',
])

/** makedumpfile's options; `-d 0` keeps every page, which -c and its like alone do too. */
const MAKEDUMPFILE: Partial<Record<DumpFormat, readonly string[]>> = {
  'makedumpfile-none': ['-d', '0'],
  'makedumpfile-zlib': ['-c'],
  'makedumpfile-lzo': ['-l'],
  'makedumpfile-snappy': ['-p'],
  'makedumpfile-zstd': ['-z'],
  'makedumpfile-flat': ['-c', '-F'],
  'makedumpfile-excluded': ['-l', '-d', '31'],
  'makedumpfile-elf-excluded': ['-E', '-d', '31'],
}

/** Writing a guest's memory takes as long as it takes. */
const WRITING = { timeoutMs: 600_000 }

/** A file name that tells the format. */
export function dumpFileName(format: DumpFormat): string {
  if (format === 'raw' || format === 'backend') return `${format}.img`
  if (format === 'elf' || format === 'elf-paging') return `${format}.core`
  if (/^kdump-(zlib|lzo|snappy)$/.test(format) || format === 'makedumpfile-flat') return `${format}.flat`
  return format.includes('-elf-') ? `${format}.core` : `${format}.kdump`
}

/** What can be written here. makedumpfile reads dumps of the architecture that it was built for. */
export async function dumpFormats(qmp: Monitor, architecture: GuestArchitecture): Promise<DumpFormat[]> {
  const { formats } = (await qmp.execute('query-dump-guest-memory-capability')) as { formats: string[] }
  const available = new Set<string>(['raw', 'backend', 'elf', 'elf-paging', ...formats])
  if (findProgram('makedumpfile') !== undefined) {
    available.add('kdump-zlib-unflattened')
    const help = await runCommand('makedumpfile', ['-v'])
    for (const name of architecture === 'amd64' ? Object.keys(MAKEDUMPFILE) : []) {
      const codec = name.slice('makedumpfile-'.length)
      if (!['lzo', 'snappy', 'zstd'].includes(codec) || new RegExp(`${codec}\\s+enabled`).test(help))
        available.add(name)
    }
  }
  return ALL_DUMP_FORMATS.filter(format => available.has(format))
}

/** Writes one dump; `path` must not exist. The guest must be stopped and stay so. */
export async function dumpGuest(
  qmp: Monitor,
  format: DumpFormat,
  path: string,
  memory: { readonly path: string; readonly bytes: number; readonly base: number },
): Promise<void> {
  const makedumpfile = MAKEDUMPFILE[format]
  if (format === 'raw') {
    await qmp.execute('pmemsave', { val: memory.base, size: memory.bytes, filename: path }, WRITING)
  } else if (format === 'backend') {
    await copyFile(memory.path, path)
  } else if (format === 'kdump-zlib-unflattened') {
    const flat = `${path}.flat`
    await qemuDump(qmp, flat, { paging: false, format: 'kdump-zlib' })
    await runCommand('sh', ['-c', 'makedumpfile -R "$1" < "$2"', 'sh', path, flat])
    await rm(flat)
  } else if (makedumpfile !== undefined) {
    await derive(qmp, makedumpfile, path)
  } else if (format === 'elf' || format === 'elf-paging') {
    await qemuDump(qmp, path, { paging: format === 'elf-paging' })
  } else {
    await qemuDump(qmp, path, { paging: false, format })
  }
}

function qemuDump(qmp: Monitor, path: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
  return qmp.execute('dump-guest-memory', { ...args, protocol: `file:${path}` }, WRITING)
}

async function derive(qmp: Monitor, options: readonly string[], path: string): Promise<void> {
  const core = `${path}.core`
  await qemuDump(qmp, core, { paging: false })
  try {
    await mendElfHeader(core)
    if (options.includes('-F'))
      await runCommand('sh', ['-c', `makedumpfile ${options.join(' ')} "$1" > "$2"`, 'sh', core, path])
    else await runCommand('makedumpfile', [...options, core, path])
  } finally {
    await rm(core, { force: true })
  }
}
