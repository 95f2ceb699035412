/**
 * From a debugger's data block that stands in memory in the clear to the kernel's page tables: the block says where the head of the list
 * of processes is, and the structure of System is the one whose back link leads there. Encoded blocks can't be told in physical memory.
 */
import type { PhysicalMemory } from '../../../core/memory.js'
import { isMemory } from '../../search/physical.js'
import { type Candidate, windowsMode } from './candidate.js'
import { BLOCK, isBlockSize } from './debugger-block.js'

/** What a block says, before anything proves it. */
export interface TaggedBlock {
  readonly wide: boolean
  readonly kernelBase: bigint
  /** PsActiveProcessHead as it stands in memory. */
  readonly head: Buffer
}

/** How far the head of the list of processes may be from the kernel's base. */
const MAX_IMAGE_BYTES = 256n << 20n
const SIGN_32 = 0xffff_ffffn
const START_32 = 0x8000_0000n
const START_64 = 0xffff_8000_0000_0000n
/** Images of 64-bit kernels lie below. */
const END_64 = 0xffff_ffff_0000_0000n
/** What is read before and behind a back link. */
export const LINK_BEFORE = 0x600
const SYSTEM_PID = 4n
const PROCESS_TYPE = 3
const PAGE_BYTES = 4096
const CR3_MASK = 0xf_ffff_ffff_f000n

/** The block whose tag stands at `tag`; undefined where it holds nothing of a kernel. */
export function taggedBlock(bytes: Buffer, tag: number): TaggedBlock | undefined {
  const start = tag - BLOCK.tag
  if (start < 0 || start + BLOCK.processHead + 8 > bytes.length) return undefined
  if (!isBlockSize(bytes.readUInt32LE(start + BLOCK.size))) return undefined
  const base = bytes.readBigUInt64LE(start + BLOCK.kernelBase)
  const head = bytes.readBigUInt64LE(start + BLOCK.processHead)
  const wide = base >= START_64 && base < END_64
  const kernelBase = wide ? base : base & SIGN_32
  if (!wide && (kernelBase < START_32 || (base >> 32n !== 0n && base >> 32n !== SIGN_32))) return undefined
  const distance = (wide ? head : head & SIGN_32) - kernelBase
  if (kernelBase % BigInt(PAGE_BYTES) !== 0n || distance <= 0n || distance > MAX_IMAGE_BYTES) return undefined
  const word = Buffer.alloc(8)
  word.writeBigUInt64LE(head)
  return { wide, kernelBase, head: word.subarray(0, wide ? 8 : 4) }
}

/** System's page table where the back link of its entry in the list stands at `at`. */
export function systemBefore(
  memory: PhysicalMemory,
  bytes: Buffer,
  at: number,
  { wide, kernelBase }: TaggedBlock,
): Candidate[] {
  const width = wide ? 8 : 4
  const word = (offset: number) => (wide ? bytes.readBigUInt64LE(offset) : BigInt(bytes.readUInt32LE(offset)))
  const id = at - 2 * width
  if (id < 0 || word(id) !== SYSTEM_PID) return []
  const [profileAt, tableAt] = wide ? [0x18, 0x28] : [0x10, 0x18]
  const found: Candidate[] = []
  for (let start = id - tableAt - width; start >= 0 && start >= id - LINK_BEFORE; start -= width) {
    if (((bytes[start] as number) & 0x7f) !== PROCESS_TYPE) continue
    // the list of profiles is empty: it leads to itself
    const profile = word(start + profileAt)
    if (profile < (wide ? START_64 : START_32) || profile !== word(start + profileAt + width)) continue
    const cr3 = word(start + tableAt)
    const add = (name: '4-level' | 'pae' | 'ia32-pse', dtb: number, length: number) => {
      if (dtb !== 0 && isMemory(memory, dtb, length))
        found.push({ mode: windowsMode(name), dtb, way: 'kdbg', inside: kernelBase })
    }
    if (wide) add('4-level', Number(cr3 & CR3_MASK), PAGE_BYTES)
    else {
      if (cr3 % BigInt(PAGE_BYTES) === 0n) add('ia32-pse', Number(cr3), PAGE_BYTES)
      if (cr3 % 32n === 0n) add('pae', Number(cr3), 32)
    }
  }
  return found
}
