/** The guest's dump that `npm run test:guests` hands over, opened as a user would, and the guest's own account of itself. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe } from 'vitest'
import { DetectionCache } from '../../../src/coordinator/detection-cache.js'
import { type FoundLinux, openGuest } from '../../../src/coordinator/guest.js'
import { openTarget, type Target } from '../../../src/coordinator/target.js'
import type { LinuxProcess } from '../../../src/os/linux/processes.js'
import { processes } from '../../../src/os/linux/processes.js'
import type { Kernel } from '../../lab/kernel.js'
import { type PageRecord, readPages } from '../../lab/page-file.js'
import type { QemuRegisters, QemuTranslation } from '../../lab/qemu-view.js'
import type { GuestTruth } from '../../lab/truth.js'

/** As truth.json has it: bigint addresses are hexadecimal strings. */
export type Stored<T> = T extends bigint
  ? string
  : T extends readonly (infer U)[]
    ? readonly Stored<U>[]
    : T extends object
      ? { readonly [K in keyof T]: Stored<T[K]> }
      : T

export type StoredTruth = Stored<
  Omit<GuestTruth, 'pages'> & {
    readonly kernel: Kernel
    /** Bytes of /sys/kernel/btf/vmlinux, 0 where there is none. */
    readonly btfBytes: number
    readonly qemu: {
      readonly registers: QemuRegisters
      readonly translations: readonly QemuTranslation[]
    }
  }
>
export type ToldProcess = StoredTruth['processes'][number]

export interface OpenDump {
  readonly dir: string
  readonly truth: StoredTruth
  readonly target: Target
  readonly guest: FoundLinux
  /** What vmsift lists, by pid. */
  readonly found: ReadonlyMap<number, LinuxProcess>
  pages(): Iterable<PageRecord>
  /** Lines of the guest's /proc/kallsyms. */
  kallsyms(): string[]
}

const DIR = process.env.VMSIFT_GUEST_DUMP

/** Where the dump is; only inside `describeDump`. */
export function dumpDir(): string {
  if (DIR === undefined) throw new Error('VMSIFT_GUEST_DUMP is not set')
  return DIR
}

/** What the guest says; only inside `describeDump`. */
export function readStoredTruth(): StoredTruth {
  return JSON.parse(readFileSync(join(dumpDir(), 'truth.json'), 'utf8')) as StoredTruth
}

/** A suite over the dump; skipped by name where there is none. */
export function describeDump(title: string, body: () => void): void {
  const name = DIR === undefined ? 'a guest of the matrix' : basename(DIR)
  const reason = DIR === undefined ? ' (skipped: run it with npm run test:guests)' : ''
  describe.skipIf(DIR === undefined)(`${name}: ${title}${reason}`, body)
}

/** Opens the dump before the suite's tests; nothing that an earlier run found is used. */
export function useDump(): () => OpenDump {
  let dump: OpenDump | undefined
  let cache = ''
  beforeAll(async () => {
    cache = mkdtempSync(join(tmpdir(), 'vmsift-guests-'))
    const target = await openTarget(join(dumpDir(), 'elf.core'))
    const guest = await openGuest(target, { cache: new DetectionCache(cache) })
    if (guest?.family !== 'linux') throw new Error('no Linux guest was recognised in elf.core')
    const listed = processes(guest.kernel, guest.memory)
    dump = {
      dir: dumpDir(),
      truth: readStoredTruth(),
      target,
      guest,
      found: new Map(listed.items.map(process => [process.pid, process])),
      pages: () => readPages(readFileSync(join(dumpDir(), 'pagemap.bin'))),
      kallsyms: () => readFileSync(join(dumpDir(), 'kallsyms.txt'), 'utf8').trimEnd().split('\n'),
    }
  })
  afterAll(() => {
    dump?.guest[Symbol.dispose]()
    dump?.target[Symbol.dispose]()
    rmSync(cache, { recursive: true, force: true })
  })
  return () => {
    if (dump === undefined) throw new Error('the dump is not open')
    return dump
  }
}

/** Why what needs every layout is skipped on a guest that doesn't tell its layouts, or undefined. */
export function withoutLayouts({ btfBytes, release }: StoredTruth): string | undefined {
  return btfBytes > 0
    ? undefined
    : `${release} has no BTF: processes, modules and mappings are derived, no more`
}

/** The witness and the shell that waits for it told of themselves while they ran. */
export function isWitness({ name, commandLine }: ToldProcess): boolean {
  return name === 'witness' || commandLine[0] === 'witness'
}
