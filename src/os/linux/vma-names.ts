/** What /proc/PID/maps calls a mapping (`show_map_vma` of fs/proc/task_mmu.c). */

import { structSpec } from '../struct/layout.js'
import type { StructReader } from '../struct/reader.js'
import type { LinuxKernel } from './kernel.js'
import type { MmRecord } from './memory-map.js'
import type { PathReader } from './paths.js'
import type { VmaRecord } from './vma.js'

/** What a mapping is for. */
export type MappingKind =
  /** A file, or memory that has one's name (shared memory, memfd). */
  | 'file'
  | 'heap'
  | 'stack'
  /** The kernel's own: `[vdso]`, `[vvar]`. */
  | 'special'
  | 'anonymous'

/** A mapping's name as /proc prints it; empty where it prints none. */
export interface MappingName {
  readonly kind: MappingKind
  readonly path: string
}

const VM_OPERATIONS = structSpec('vm_operations_struct', { name: 'name' })
const SPECIAL_MAPPING = structSpec('vm_special_mapping', { name: 'name' })
const ANONYMOUS_NAME = structSpec('anon_vma_name', { name: 'name' })
const MM_CONTEXT = structSpec('mm_struct', { vdso: 'context.vdso' })

/** `ANON_VMA_NAME_MAX_LEN` of mm/madvise.c. */
const MAX_NAME_BYTES = 80
/** `vm_operations_struct` has 14 to 18 functions. */
const MAX_OPERATIONS = 18

/** Names the mappings of one process. */
export class MappingNames {
  readonly #kernel: LinuxKernel
  readonly #reader: StructReader
  readonly #paths: PathReader
  readonly #mm: MmRecord
  /** Whether a `vm_operations_struct` names special mappings. */
  readonly #special = new Map<bigint, boolean>()

  constructor(kernel: LinuxKernel, reader: StructReader, paths: PathReader, mm: MmRecord) {
    this.#kernel = kernel
    this.#reader = reader
    this.#paths = paths
    this.#mm = mm
  }

  name(vma: VmaRecord): MappingName {
    const file = vma.link('file')
    const given = this.#givenName(vma, file !== undefined)
    if (file !== undefined) {
      if (given !== undefined) return { kind: 'file', path: `[anon_shmem:${given}]` }
      return { kind: 'file', path: this.#paths.file(file)?.text ?? '' }
    }
    const special = this.#specialName(vma)
    if (special !== undefined) return { kind: 'special', path: special }
    if (this.#isHeap(vma)) return { kind: 'heap', path: '[heap]' }
    if (this.#isStack(vma)) return { kind: 'stack', path: '[stack]' }
    return { kind: 'anonymous', path: given === undefined ? '' : `[anon:${given}]` }
  }

  /** Set by the process itself, with `prctl(PR_SET_VMA_ANON_NAME)`. */
  #givenName(vma: VmaRecord, hasFile: boolean): string | undefined {
    if (hasFile && vma.layout.offset('shared') === vma.layout.offset('anonymousName')) return undefined
    const address = vma.link('anonymousName')
    const name = address === undefined ? undefined : this.#reader.layout(ANONYMOUS_NAME).offset('name')
    if (address === undefined || name === undefined) return undefined
    return this.#reader.text(address + BigInt(name), MAX_NAME_BYTES)
  }

  /** `[vdso]` and its kind: the mapping's own structure holds the name. */
  #specialName(vma: VmaRecord): string | undefined {
    const operations = vma.link('operations')
    const mapping = vma.link('private')
    if (operations !== undefined && mapping !== undefined && this.#namesSpecial(operations)) {
      const name = this.#reader.record(SPECIAL_MAPPING, mapping)?.link('name')
      return name === undefined ? undefined : this.#reader.text(name, MAX_NAME_BYTES)
    }
    const vdso = this.#reader.record(MM_CONTEXT, this.#mm.address)?.link('vdso')
    return vdso !== undefined && vdso === vma.bigint('start') ? '[vdso]' : undefined
  }

  /** By the function that names them, which kallsyms always has. */
  #namesSpecial(operations: bigint): boolean {
    const known = this.#special.get(operations)
    if (known !== undefined) return known
    const wanted = this.#kernel.symbols.addressOf('special_mapping_name')
    const special = wanted !== undefined && this.#functions(operations).includes(wanted)
    this.#special.set(operations, special)
    return special
  }

  /** What can name a mapping: where the types don't tell which function that is, all of them. */
  #functions(operations: bigint): readonly (bigint | undefined)[] {
    if (this.#reader.layout(VM_OPERATIONS).has('name'))
      return [this.#reader.record(VM_OPERATIONS, operations)?.link('name')]
    return this.#reader.isKernelAddress(operations) ? this.#reader.pointers(operations, MAX_OPERATIONS) : []
  }

  #isHeap(vma: VmaRecord): boolean {
    const start = this.#mm.bigint('startBrk')
    const end = this.#mm.bigint('brk')
    const from = vma.bigint('start')
    const to = vma.bigint('end')
    if (start === undefined || end === undefined || from === undefined || to === undefined) return false
    return from < end && to > start
  }

  #isStack(vma: VmaRecord): boolean {
    const stack = this.#mm.bigint('startStack')
    const from = vma.bigint('start')
    const to = vma.bigint('end')
    return stack !== undefined && from !== undefined && to !== undefined && from <= stack && to >= stack
  }
}
