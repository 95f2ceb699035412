/** Page tables of a Windows guest, made entry by entry from the processor's manual (Intel SDM vol. 3A 4.3 to 4.5). */
import type { GuestMemory } from './guest-memory.js'

export type Paging = 'ia32' | 'pae' | '4-level'

const SHAPES = {
  ia32: { entryBytes: 4, bits: [10, 10] },
  pae: { entryBytes: 8, bits: [2, 9, 9] },
  '4-level': { entryBytes: 8, bits: [9, 9, 9, 9] },
} as const

export interface Access {
  readonly writable?: boolean
  readonly user?: boolean
  readonly executable?: boolean
}

const PAGE = 4096

/** The tables of one process. What the kernel's half maps is shared with `share`. */
export class Tables {
  readonly paging: Paging
  readonly root: number
  readonly #memory: GuestMemory
  /** Index of the top table's entry that leads to itself. */
  readonly #self: number

  /** `root`: where the top table lies, else in a frame of its own. */
  constructor(memory: GuestMemory, paging: Paging, self: number, root = memory.frame()) {
    this.#memory = memory
    this.paging = paging
    this.root = root
    this.#self = self
    memory.page(root)
    if (paging === 'pae') this.#makeDirectories()
    else this.write(root + self * this.entryBytes, BigInt(root) | 0x63n)
  }

  get entryBytes(): 4 | 8 {
    return SHAPES[this.paging].entryBytes
  }

  get levels(): number {
    return SHAPES[this.paging].bits.length
  }

  /** PAE: four directories from the start, mapped by the last of them. */
  #makeDirectories(): void {
    const directories = [0, 1, 2, 3].map(() => this.#memory.frame())
    directories.forEach((gpa, i) => {
      this.#memory.page(gpa)
      this.write(this.root + i * 8, BigInt(gpa) | 1n)
      this.write((directories[3] as number) + i * 8, BigInt(gpa) | 0x63n)
    })
  }

  shift(level: number): number {
    return SHAPES[this.paging].bits.slice(level + 1).reduce((sum, bits) => sum + bits, 12)
  }

  /** Where the entry of `level` for `va` stands; tables above are made. */
  entryAt(va: bigint, level = this.levels - 1): number {
    const { bits } = SHAPES[this.paging]
    let table = this.root
    for (let above = 0; ; above++) {
      const index = (va >> BigInt(this.shift(above))) & ((1n << BigInt(bits[above] as number)) - 1n)
      const at = table + Number(index) * this.entryBytes
      if (above === level) return at
      const entry = this.read(at)
      if ((entry & 0x81n) === 0x81n) throw new Error(`0x${va.toString(16)} lies in a large page`)
      if ((entry & 1n) === 0n) {
        table = this.#memory.frame()
        this.#memory.page(table)
        // the user bit on the way down belongs to the lower half only
        const user = va >> (this.paging === '4-level' ? 63n : 31n) === 0n ? 4n : 0n
        this.write(at, BigInt(table) | 0x63n | user)
      } else table = Number(entry & 0xf_ffff_ffff_f000n)
    }
  }

  /** Maps a page, large ones at a level above the last. */
  map(va: bigint, gpa: number, access: Access = {}, level = this.levels - 1): number {
    const { writable = true, user = false, executable = false } = access
    const large = level < this.levels - 1
    let entry = BigInt(gpa) | 0x61n | (writable ? 2n : 0n) | (user ? 4n : 0n) | (large ? 0x80n : 0n)
    if (!executable && this.paging !== 'ia32') entry |= 1n << 63n
    const at = this.entryAt(va, level)
    this.write(at, entry)
    return at
  }

  read(at: number): bigint {
    const page = this.#memory.page(at)
    return this.entryBytes === 4 ? BigInt(page.readUInt32LE(at % PAGE)) : page.readBigUInt64LE(at % PAGE)
  }

  write(at: number, entry: bigint): void {
    const page = this.#memory.page(at)
    if (this.entryBytes === 4) page.writeUInt32LE(Number(entry), at % PAGE)
    else page.writeBigUInt64LE(entry, at % PAGE)
  }

  /** The gpa that `va` leads to; undefined where nothing is mapped. */
  translate(va: bigint): number | undefined {
    const { bits } = SHAPES[this.paging]
    let table = this.root
    for (let level = 0; level < bits.length; level++) {
      const shift = BigInt(this.shift(level))
      const index = (va >> shift) & ((1n << BigInt(bits[level] as number)) - 1n)
      const entry = this.read(table + Number(index) * this.entryBytes)
      if ((entry & 1n) === 0n) return undefined
      const address = Number(entry & 0xf_ffff_ffff_f000n)
      const last = level === bits.length - 1
      if (last || ((entry & 0x80n) !== 0n && !(this.paging === 'pae' && level === 0)))
        return address + Number(va & ((1n << shift) - 1n))
      table = address
    }
    return undefined
  }

  /** Takes over the kernel's half of `kernel`: of the top table, under PAE of the two upper directories. */
  share(kernel: Tables, only: (index: number) => boolean = () => true): void {
    if (this.paging === 'pae') {
      for (const i of [2, 3]) {
        const [own, other] = [this, kernel].map(each =>
          Number(each.read(each.root + i * 8) & 0xf_ffff_ffff_f000n),
        )
        for (let entry = i === 3 ? 4 : 0; entry < 512; entry++)
          this.write((own as number) + entry * 8, kernel.read((other as number) + entry * 8))
      }
      return
    }
    const count = 1 << SHAPES[this.paging].bits[0]
    for (let i = count / 2; i < count; i++)
      if (i !== this.#self && only(i))
        this.write(this.root + i * this.entryBytes, kernel.read(kernel.root + i * this.entryBytes))
  }
}
