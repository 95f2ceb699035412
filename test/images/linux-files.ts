/** A writer of made-up kernel structures: names, mounts, files, sockets. Layouts are no real kernel's. */
import type { LinuxKernel } from '../../src/os/linux/kernel.js'
import type { PagingMode } from '../../src/paging/mode.js'
import { KernelMemory, type StructLayout, symbolsOf, typesOf } from './kernel-memory.js'

const P8 = (offset: number): readonly [number, number] => [offset, 8]

/** Layouts of what the file, socket and mount lists read. */
export const FILE_LAYOUTS: Readonly<Record<string, StructLayout>> = {
  task_struct: { bytes: 64, members: { files: P8(0), nsproxy: P8(8), fs: P8(16) } },
  files_struct: { bytes: 16, members: { fdt: P8(0) } },
  fdtable: { bytes: 40, members: { max_fds: [0, 4], fd: P8(8), close_on_exec: P8(16) } },
  file: {
    bytes: 64,
    members: {
      'f_path.mnt': P8(0),
      'f_path.dentry': P8(8),
      f_inode: P8(16),
      f_mode: [24, 4],
      f_flags: [28, 4],
      f_pos: P8(32),
      private_data: P8(40),
    },
  },
  dentry: {
    bytes: 80,
    members: {
      d_parent: P8(0),
      'd_name.len': [12, 4],
      'd_name.name': P8(16),
      d_inode: P8(24),
      'd_hash.pprev': P8(32),
      d_op: P8(40),
      d_sb: P8(48),
      d_fsdata: P8(56),
      d_alias: [64, 16],
    },
  },
  dentry_operations: { bytes: 16, members: { d_dname: P8(8) } },
  mount: {
    bytes: 128,
    members: {
      mnt_parent: P8(0),
      mnt_mountpoint: P8(8),
      mnt: [16, 32],
      'mnt.mnt_root': P8(16),
      'mnt.mnt_sb': P8(24),
      'mnt.mnt_flags': [32, 4],
      mnt_instance: [48, 16],
      mnt_list: [64, 16],
      mnt_id: [80, 4],
      mnt_devname: P8(88),
    },
  },
  mnt_namespace: { bytes: 32, members: { list: [8, 16] } },
  nsproxy: { bytes: 16, members: { mnt_ns: P8(8) } },
  fs_struct: { bytes: 32, members: { 'root.mnt': P8(8), 'root.dentry': P8(16) } },
  super_block: { bytes: 64, members: { s_type: P8(0), s_dev: [8, 4], s_flags: P8(16), s_mounts: [32, 16] } },
  file_system_type: { bytes: 16, members: { name: P8(0) } },
  inode: {
    bytes: 128,
    members: {
      i_mode: [0, 2],
      i_ino: P8(8),
      i_sb: P8(16),
      i_size: P8(24),
      i_mapping: P8(32),
      i_dentry: P8(40),
      i_data: [48, 32],
      i_rdev: [84, 4],
      i_private: P8(88),
    },
  },
  address_space: { bytes: 32, members: { host: P8(0) } },
  page: { bytes: 64, members: { flags: P8(0), compound_head: P8(8), mapping: P8(24), index: P8(32) } },
}

const MODE = { name: 'made up', format: 'x86-64', pageShift: 12 } as PagingMode

/** Made-up kernel memory with an allocator: structures are written member by member. */
export class MadeUpKernel {
  readonly memory = new KernelMemory(8)
  readonly kernel: LinuxKernel
  #next = 0xffff_8880_0000_1000n
  readonly #layouts: Readonly<Record<string, StructLayout>>

  constructor(
    layouts: Readonly<Record<string, StructLayout>> = FILE_LAYOUTS,
    symbols: Readonly<Record<string, bigint>> = {},
  ) {
    this.#layouts = layouts
    this.kernel = {
      architecture: 'x86_64',
      banner: 'Linux version 0.0.0',
      release: '0.0.0',
      paging: MODE,
      dtb: 0,
      kernelBase: 0xffff_ffff_8100_0000n,
      kaslrOffset: 0n,
      symbols: symbolsOf(symbols),
      types: typesOf(layouts),
      memory: this.memory,
      derived: [],
    }
  }

  room(bytes: number): bigint {
    const at = this.#next
    this.#next += BigInt(Math.ceil(bytes / 16) * 16 + 16)
    return at
  }

  /** A new structure with these members; the others are zeros. */
  make(type: string, members: Readonly<Record<string, number | bigint>> = {}): bigint {
    const layout = this.#layouts[type]
    if (layout === undefined) throw new Error(`no layout of ${type}`)
    const at = this.room(layout.bytes)
    this.memory.write(at, new Uint8Array(layout.bytes))
    this.set(type, at, members)
    return at
  }

  set(type: string, at: bigint, members: Readonly<Record<string, number | bigint>>): void {
    for (const [name, value] of Object.entries(members)) {
      const place = this.#layouts[type]?.members[name]
      if (place === undefined) throw new Error(`no member ${type}.${name}`)
      this.memory.number(at + BigInt(place[0]), value, Math.min(place[1], 8))
    }
  }

  text(text: string): bigint {
    const at = this.room(Buffer.byteLength(text) + 1)
    this.memory.text(at, text)
    return at
  }

  bytes(bytes: Uint8Array): bigint {
    const at = this.room(bytes.length)
    this.memory.write(at, bytes)
    return at
  }

  fileSystem(type: string, members: Readonly<Record<string, number | bigint>> = {}): bigint {
    const name = this.make('file_system_type', { name: this.text(type) })
    return this.make('super_block', { s_type: name, ...members })
  }

  /** A name under `parent` (0: a root), in the hash unless it is told otherwise. */
  dentry(name: string, parent: bigint, members: Readonly<Record<string, number | bigint>> = {}): bigint {
    const at = this.make('dentry', {
      'd_name.name': this.text(name),
      'd_name.len': Buffer.byteLength(name),
      'd_hash.pprev': 1n,
      ...members,
    })
    this.set('dentry', at, { d_parent: parent === 0n ? at : parent })
    return at
  }

  /** A mount of `root` on `mountpoint` of the mount `parent`; without them it is the topmost. Gives the `struct mount`. */
  mount(
    root: bigint,
    parent?: bigint,
    mountpoint?: bigint,
    members: Readonly<Record<string, number | bigint>> = {},
  ): bigint {
    const at = this.make('mount', { 'mnt.mnt_root': root, ...members })
    this.set('mount', at, { mnt_parent: parent ?? at, mnt_mountpoint: mountpoint ?? root })
    return at
  }

  /** Address of the `vfsmount` in a mount. */
  vfs(mount: bigint): bigint {
    return mount + 16n
  }

  file(dentry: bigint, mount: bigint, members: Readonly<Record<string, number | bigint>> = {}): bigint {
    return this.make('file', { 'f_path.dentry': dentry, 'f_path.mnt': this.vfs(mount), ...members })
  }

  /** A task with a table of descriptors; `slots` may be larger than what is given. */
  task(files: Readonly<Record<number, bigint>>, slots = 64): bigint {
    const array = this.room(slots * 8)
    this.memory.write(array, new Uint8Array(slots * 8))
    for (const [fd, file] of Object.entries(files)) this.memory.pointer(array + BigInt(fd) * 8n, file)
    const table = this.make('fdtable', { max_fds: slots, fd: array })
    return this.make('task_struct', { files: this.make('files_struct', { fdt: table }) })
  }
}
