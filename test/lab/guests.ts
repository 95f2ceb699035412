/** The matrix: every kind of guest that answers are compared with, one kernel and one processor each. */
import type { LabOptions } from './guest.js'
import { KERNELS, type KernelSpec } from './kernel.js'
import { MACHINES } from './machine.js'

export interface MatrixGuest {
  readonly name: string
  /** What it is there for. */
  readonly about: string
  readonly kernel: KernelSpec
  readonly options: Omit<LabOptions, 'kernel'>
  /** Memory lies in two pieces, most of it above 4 GiB: there is no raw dump. */
  readonly split?: true
}

/** All are emulated: a host's own processor would decide on page-table isolation and on 5 levels. */
const COMMON = { memoryMb: 256, accelerator: 'tcg', rich: true, timeoutMs: 400_000 } as const

const SPLIT_Q35 = 'q35,max-ram-below-4g=128M'
/** A 32-bit kernel keeps what it needs itself below. */
const SPLIT_PC = 'pc,max-ram-below-4g=256M'

export const MATRIX: readonly MatrixGuest[] = [
  {
    name: 'amd64-6.1',
    about: '4 levels, no page-table isolation',
    kernel: KERNELS.amd64,
    options: { ...COMMON, cpu: 'qemu64' },
  },
  {
    name: 'amd64-6.1-pti',
    about: 'page-table isolation, stopped in the kernel',
    kernel: KERNELS.amd64,
    options: { ...COMMON, cpu: 'Haswell-v1' },
  },
  {
    name: 'amd64-6.1-pti-user',
    about: 'page-table isolation, stopped in user mode: CR3 has the user table',
    kernel: KERNELS.amd64,
    options: { ...COMMON, cpu: 'Haswell-v1', busy: true },
  },
  {
    name: 'amd64-6.1-la57',
    about: '5 levels',
    kernel: KERNELS.amd64,
    options: { ...COMMON, cpu: 'max' },
  },
  {
    name: 'amd64-6.1-high',
    about: 'two processors, most memory above 4 GiB',
    kernel: KERNELS.amd64,
    options: { ...COMMON, memoryMb: 384, cpu: 'qemu64', cpus: 2, machine: SPLIT_Q35 },
    split: true,
  },
  {
    name: 'amd64-5.10',
    about: 'mappings in a tree and a list, older kallsyms',
    kernel: { ...KERNELS.amd64, suite: 'bullseye' },
    options: { ...COMMON, cpu: 'qemu64' },
  },
  {
    name: 'amd64-6.12',
    about: 'kallsyms in another order',
    kernel: { ...KERNELS.amd64, suite: 'trixie' },
    // Other models panic under the emulation of QEMU 7.2.
    options: { ...COMMON, cpu: 'max,-la57,-cx16' },
  },
  {
    name: 'amd64-sid',
    about: 'the newest kernel that Debian has',
    kernel: { ...KERNELS.amd64, suite: 'sid' },
    options: { ...COMMON, cpu: 'max,-la57' },
  },
  {
    name: 'i386-pae',
    about: 'three levels, no BTF',
    kernel: KERNELS.i386,
    options: { ...COMMON, cpu: 'qemu32' },
  },
  {
    name: 'i386-pae-high',
    about: 'three levels with page-table isolation, frames above 4 GiB',
    kernel: KERNELS.i386,
    // The 32-bit emulator does not reach page tables above 4 GiB.
    options: {
      ...COMMON,
      memoryMb: 512,
      cpu: 'Haswell-v1',
      machine: SPLIT_PC,
      emulator: MACHINES.amd64.qemu,
    },
    split: true,
  },
  {
    name: 'i386-nonpae',
    about: 'two levels, no BTF',
    kernel: { ...KERNELS.i386, packageName: 'linux-image-686' },
    options: { ...COMMON, cpu: 'pentium3' },
  },
  {
    name: 'arm64-4k',
    about: '4 KiB granule',
    kernel: KERNELS.arm64,
    options: { ...COMMON, cpu: 'cortex-a57' },
  },
  {
    name: 'arm64-16k',
    about: '16 KiB granule',
    kernel: { ...KERNELS.arm64, suite: 'trixie', packageName: 'linux-image-arm64-16k' },
    // A huge page is 32 MiB here.
    options: { ...COMMON, memoryMb: 384, cpu: 'neoverse-n1', hugePages: 2 },
  },
]

/** @throws Error with the names there are. */
export function matrixGuest(name: string): MatrixGuest {
  const guest = MATRIX.find(other => other.name === name)
  if (guest === undefined)
    throw new Error(`no guest is named ${name}; there are: ${MATRIX.map(other => other.name).join(' ')}`)
  return guest
}
