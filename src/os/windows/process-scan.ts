/**
 * Looks for processes in physical memory, whatever the kernel's lists say: blocks of pool with the tag of processes, and behind the
 * headers of the object something that holds together as a process. Empty lists in the structure point to themselves, which tells its
 * virtual address without any list of the kernel's.
 */
import type { PhysicalMemory } from '../../core/memory.js'
import type { AddressSpace } from '../../paging/address-space.js'
import type { Problems } from '../problem.js'
import { sweep } from '../search/sweep.js'
import type { StructReader } from '../struct/reader.js'
import { isProcess } from './cid-table.js'
import { MAX_PID, PROCESS } from './process-structs.js'

/** `Proc`; until 6.1 the highest bit of the last byte marks a block that only its tag's owner may free. One pass finds both. */
const TAG_START = Buffer.from('Pro', 'latin1')
const TAG_END = 0x63
/** From the tag to the structure: what is left of the pool's header, optional headers of the object, its header. */
const MAX_HEADERS = 0x180
const MAX_CANDIDATES = 1 << 18
const MAX_FOUND = 1 << 15
/** Kernel addresses have it in their highest bytes. */
const KERNEL_64 = 0xffff
const PROCESS_TYPE = 3

/** Addresses of `_EPROCESS`, ascending by where they are in physical memory: running processes, and remains of ended ones. */
export function scanForProcesses(
  reader: StructReader,
  memory: PhysicalMemory,
  space: AddressSpace,
  problems: Problems,
): bigint[] {
  const found = new Set<bigint>()
  let candidates = 0
  const step = reader.pointerBytes === 8 ? 16 : 8
  const ended = sweep(
    memory,
    (bytes, gpa) => {
      const places: Place[] = []
      for (
        let at = bytes.indexOf(TAG_START);
        at >= 0 && places.length < MAX_CANDIDATES;
        at = bytes.indexOf(TAG_START, at + 3)
      ) {
        // a tag is the second word of its header
        const header = at - 4
        if (header < 0 || (gpa + header) % step !== 0 || ((bytes[at + 3] ?? 0) & 0x7f) !== TAG_END) continue
        addPlaces(bytes, gpa, header, step, places)
      }
      for (const place of places) {
        if (candidates++ >= MAX_CANDIDATES || found.size >= MAX_FOUND) {
          problems.add('cut', `process scan: cut at ${found.size} processes and ${MAX_CANDIDATES} places`)
          return true
        }
        const address = addressOf(space, place)
        if (address !== undefined && looksLikeProcess(reader, memory, address)) found.add(address)
      }
      return false
    },
    { overlap: MAX_HEADERS + 0x40 },
  )
  if (ended && found.size === 0) problems.add('cut', 'process scan: ended early')
  return [...found]
}

/** Where a structure may start, and what its two first list heads point to. */
interface Place {
  readonly gpa: number
  readonly wait: bigint
  readonly profile: bigint
}

/** Places behind a pool header at which a process's dispatcher header stands. */
function addPlaces(bytes: Buffer, gpa: number, header: number, step: number, places: Place[]): void {
  const wide = step === 16
  const profileAt = wide ? 0x18 : 0x10
  for (let at = header + step; at <= header + MAX_HEADERS && at + 0x28 <= bytes.length; at += step) {
    if (((bytes[at] as number) & 0x7f) !== PROCESS_TYPE) continue
    const top = wide ? bytes.readUInt16LE(at + 14) : bytes.readUInt32LE(at + 8)
    if (wide ? top !== KERNEL_64 : top < 0x8000_0000) continue
    places.push({
      gpa: gpa + at,
      wait: wide ? bytes.readBigUInt64LE(at + 8) - 8n : BigInt(top) - 8n,
      profile:
        (wide ? bytes.readBigUInt64LE(at + profileAt) : BigInt(bytes.readUInt32LE(at + profileAt))) -
        BigInt(profileAt),
    })
  }
}

/** The virtual address of the structure: that of one of its empty lists, where it leads to the very place. */
function addressOf(space: AddressSpace, { gpa, wait, profile }: Place): bigint | undefined {
  for (const address of [profile, wait]) {
    if (address < 0n) continue
    const place = space.translate(address)
    if (place.kind === 'mapped' && place.gpa === gpa) return address
  }
  return undefined
}

/** Whether the members hold together as those of a process. */
export function looksLikeProcess(reader: StructReader, memory: PhysicalMemory, address: bigint): boolean {
  const record = reader.record(PROCESS, address)
  const pid = record?.number('pid')
  if (record === undefined || pid === undefined || pid % 4 !== 0 || pid > MAX_PID) return false
  if (!isProcess(reader, address)) return false
  const next = record.link('links')
  if (next === undefined || !reader.isKernelAddress(next)) return false
  const table = record.pointer('dtb') ?? 0n
  const gpa = Number(BigInt.asUintN(52, table & ~0xfffn))
  if (table !== 0n && !memory.runs.some(run => gpa >= run.gpa && gpa < run.gpa + run.length)) return false
  const name = record.bytes('name')
  const first = name?.[0] ?? 0
  return first > 0x20 && first < 0x7f
}
