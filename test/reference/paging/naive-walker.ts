/** A walker as slow and as plain as can be: one bigint an address, the manuals' tables read line by line. */
import type { PhysicalMemory } from '../../../src/core/memory.js'
import { readInto } from '../../../src/core/memory.js'
import type { PagingMode } from '../../../src/paging/mode.js'

export interface NaiveResult {
  readonly kind: 'mapped' | 'absent'
  readonly reason?: string
  readonly level?: number
  readonly gpa?: number
  readonly pageBytes?: number
  readonly writable?: boolean
  readonly user?: boolean
  readonly executable?: boolean
  readonly protNone?: true
}

const bits = (value: bigint, from: number, to: number): bigint =>
  (value >> BigInt(from)) & ((1n << BigInt(to - from + 1)) - 1n)
const bit = (value: bigint, at: number): boolean => bits(value, at, at) === 1n

function inMemory(memory: PhysicalMemory, gpa: bigint): boolean {
  return memory.runs.some(run => gpa >= BigInt(run.gpa) && gpa < BigInt(run.gpa) + BigInt(run.length))
}

/** `linux`: entries that are not present are read as Linux on x86-64 and PAE writes them. */
export function naiveTranslate(
  memory: PhysicalMemory,
  mode: PagingMode,
  root: number,
  upperRoot: number,
  va: bigint,
  linux = false,
): NaiveResult {
  const levels = mode.indexBits.length
  const absent = (reason: string, at: number): NaiveResult => ({
    kind: 'absent',
    reason,
    level: levels - 1 - at,
  })
  const upper = bit(va, 63)
  if (mode.canonical === 'unsigned') {
    if (va >= 1n << 32n) return absent('non-canonical', 0)
  } else {
    const significant = mode.splitTables ? mode.vaBits : mode.vaBits - 1
    const top = va >> BigInt(significant)
    if (top !== 0n && top !== (1n << BigInt(64 - significant)) - 1n) return absent('non-canonical', 0)
  }
  let table = BigInt(upper && mode.splitTables ? upperRoot : root)
  let [writable, user, executable] = [true, true, true]
  let covered = mode.indexBits.reduce((sum, one) => sum + one, mode.pageShift as number)
  for (let level = 0; level < levels; level++) {
    const width = mode.indexBits[level]!
    covered -= width
    const at = table + bits(va, covered, covered + width - 1) * BigInt(mode.entryBytes)
    if (
      !inMemory(memory, at) ||
      !inMemory(memory, at - (at % 4096n)) ||
      !inMemory(memory, at - (at % 4096n) + 4095n)
    )
      return absent('table-out-of-memory', level)
    const bytes = Buffer.alloc(8)
    if (readInto(memory, Number(at), bytes.subarray(0, mode.entryBytes)).length > 0)
      return absent('unreadable', level)
    let entry = bytes.readBigUInt64LE()
    const last = level === levels - 1
    let protNone = false
    let leaf = last
    if (!bit(entry, 0)) {
      const none = linux && bit(entry, 8) && (last || (mode.leaves[level]! && bit(entry, 7)))
      if (!none) {
        const swapped = linux && last && entry !== 0n && !bit(entry, 8) && entry >> 59n < 23n
        return absent(swapped ? 'swapped' : 'not-present', level)
      }
      protNone = true
      leaf = true
      entry ^= 0xf_ffff_ffff_f000n
    }
    let address: bigint
    if (mode.format === 'aarch64') {
      if (last && !bit(entry, 1)) return absent('not-present', level)
      if (!last && !bit(entry, 1)) {
        if (!mode.leaves[level]) return absent('not-present', level)
        leaf = true
      }
      const unit = leaf ? covered : (mode.pageShift as number)
      if (mode.highBits === 'none') address = bits(entry, unit, 47) << BigInt(unit)
      else if (mode.highBits === 'lpa')
        address = (unit < 48 ? bits(entry, unit, 47) << BigInt(unit) : 0n) | (bits(entry, 12, 15) << 48n)
      else address = (bits(entry, unit, 49) << BigInt(unit)) | (bits(entry, 8, 9) << 50n)
      if (leaf) {
        if (!bit(entry, 6)) user = false
        if (bit(entry, 7) && !bit(entry, 51)) writable = false
        if (bit(entry, upper ? 53 : 54)) executable = false
      } else {
        if (bit(entry, 61)) user = false
        if (bit(entry, 62)) writable = false
        if (bit(entry, upper ? 59 : 60)) executable = false
      }
    } else {
      if (!last && bit(entry, 7) && !protNone) {
        if (mode.leaves[level]) leaf = true
        else if (mode.format !== 'ia32') return absent('not-present', level)
      }
      if (!protNone && !(mode.name === 'pae' && level === 0)) {
        if (!bit(entry, 1)) writable = false
        if (!bit(entry, 2)) user = false
      }
      if (!protNone && mode.entryBytes === 8 && bit(entry, 63) && !(mode.name === 'pae' && level === 0))
        executable = false
      const unit = leaf ? covered : 12
      if (mode.format === 'ia32') {
        address = bits(entry, unit, 31) << BigInt(unit)
        if (leaf && !last && mode.highBits === 'pse36') address |= bits(entry, 13, 20) << 32n
      } else address = bits(entry, unit, 51) << BigInt(unit)
    }
    if (!leaf) {
      table = address
      continue
    }
    const page = address + (bits(va, 0, covered - 1) & ~((1n << BigInt(mode.pageShift)) - 1n))
    const gpa = address + bits(va, 0, covered - 1)
    if (!inMemory(memory, page) || !inMemory(memory, gpa)) return absent('out-of-memory', level)
    return {
      kind: 'mapped',
      gpa: Number(gpa),
      pageBytes: 2 ** covered,
      writable: writable && !protNone,
      user,
      executable: executable && !protNone,
      ...(protNone && { protNone: true as const }),
    }
  }
  throw new Error('not reached')
}
