/** What differs between the kinds of machine the lab boots: QEMU's program, the compiler, the console, where memory starts. */

/** As Debian names them. */
export type GuestArchitecture = 'amd64' | 'i386' | 'arm64'

export interface MachineKind {
  readonly qemu: string
  readonly qemuPackage: string
  /** Compiles the guest's programs. */
  readonly compiler: string
  readonly compilerPackage: string
  /** QEMU's machine and CPU unless the guest names others. */
  readonly machine: string
  readonly cpu: string
  /** The kernel's serial console. */
  readonly console: string
  /** gpa of the first byte of memory. */
  readonly memoryBase: number
}

export const MACHINES: Readonly<Record<GuestArchitecture, MachineKind>> = {
  amd64: {
    qemu: 'qemu-system-x86_64',
    qemuPackage: 'qemu-system-x86',
    compiler: 'gcc',
    compilerPackage: 'gcc libc6-dev',
    machine: 'pc',
    cpu: 'qemu64',
    console: 'ttyS0',
    memoryBase: 0,
  },
  i386: {
    qemu: 'qemu-system-i386',
    qemuPackage: 'qemu-system-x86',
    compiler: 'i686-linux-gnu-gcc',
    compilerPackage: 'gcc-i686-linux-gnu libc6-dev-i386-cross',
    machine: 'pc',
    cpu: 'qemu32',
    console: 'ttyS0',
    memoryBase: 0,
  },
  arm64: {
    qemu: 'qemu-system-aarch64',
    qemuPackage: 'qemu-system-arm',
    compiler: 'aarch64-linux-gnu-gcc',
    compilerPackage: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
    machine: 'virt',
    cpu: 'cortex-a57',
    console: 'ttyAMA0',
    memoryBase: 0x40000000,
  },
}

/** Whether `text` names a kind of machine. */
export function isGuestArchitecture(text: string): text is GuestArchitecture {
  return Object.hasOwn(MACHINES, text)
}
