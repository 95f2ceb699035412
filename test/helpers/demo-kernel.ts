/** The kernel of the demo image, over memory that a test may write to: the image itself stays as it is. */
import { fileURLToPath } from 'node:url'
import { openTarget, type Target } from '../../src/coordinator/target.js'
import { OverlayMemory } from '../../src/drivers/overlay-memory.js'
import { type FoundLinux, findLinux } from '../../src/os/linux/detect/find.js'
import type { LinuxKernel } from '../../src/os/linux/kernel.js'
import { UserMemory } from '../../src/os/linux/user-memory.js'
import { StructReader } from '../../src/os/struct/reader.js'
import { openAddressSpace } from '../../src/paging/address-space.js'

const IMAGE = fileURLToPath(new URL('../../examples/guest.kdump', import.meta.url))

let opened: Promise<{ readonly target: Target; readonly found: FoundLinux }> | undefined

/** The guest, with everything that was written before undone. */
export async function openDemo(): Promise<DemoGuest> {
  opened ??= open()
  const { target, found } = await opened
  return new DemoGuest(target, found)
}

async function open(): Promise<{ readonly target: Target; readonly found: FoundLinux }> {
  const target = await openTarget(IMAGE)
  const found = findLinux(target.memory, { notes: target.notes })
  if (found === undefined) throw new Error('no kernel in the demo image')
  return { target, found }
}

/** A guest whose kernel structures can be written. */
export class DemoGuest {
  readonly memory: OverlayMemory
  readonly kernel: LinuxKernel
  readonly structs: StructReader
  readonly #user: UserMemory

  constructor(target: Target, found: FoundLinux) {
    this.memory = new OverlayMemory(target.memory)
    const { paging: mode, dtb } = found.kernel
    this.kernel = { ...found.kernel, memory: openAddressSpace(this.memory, { mode, dtb }) }
    this.structs = new StructReader(this.kernel)
    this.#user = new UserMemory(this.kernel, this.memory)
  }

  /** Writes at a kernel address, page tables and read-only pages notwithstanding. */
  write(va: bigint, bytes: Uint8Array): void {
    const gpa = this.#user.dtbOf(va)
    if (gpa === undefined) throw new Error(`not mapped: 0x${va.toString(16)}`)
    this.memory.write(gpa, bytes)
  }

  pointer(va: bigint, value: bigint): void {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(value)
    this.write(va, bytes)
  }

  /** Address of a symbol. */
  symbol(name: string): bigint {
    const address = this.kernel.symbols.addressOf(name)
    if (address === undefined) throw new Error(`no symbol ${name}`)
    return address
  }

  /** Offset of a member. */
  offset(type: string, path: string): bigint {
    const member = this.kernel.types.member(type, path)
    if (member === undefined) throw new Error(`no member ${type}.${path}`)
    return BigInt(member.offset)
  }

  /** What `list_del` does: the neighbours forget the node at `va`, which still points to them. */
  unlink(va: bigint): void {
    const next = this.structs.pointer(va) ?? 0n
    const previous = this.structs.pointer(va + 8n) ?? 0n
    this.pointer(previous, next)
    this.pointer(next + 8n, previous)
  }
}
