/**
 * Where guest physical memory lies in QEMU's own memory, as QEMU tells it: the flat view of its memory regions (`info mtree -f`) says
 * what stands at each address, `gpa2hva` where QEMU has it. So it is right for every machine, hole, backend and hot-plugged DIMM.
 */

import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { Monitor } from './monitor.js'

/** A contiguous piece of guest physical memory, contiguous in QEMU's memory too. */
export interface MemorySection {
  readonly gpa: number
  readonly length: number
  /** Address in QEMU's process. */
  readonly pointer: number
}

interface FlatRange {
  readonly gpa: number
  readonly length: number
  readonly name: string
}

/** A machine has some tens. */
const MAX_RANGES = 4096
/** Each range is asked for twice, in a fraction of a millisecond, unless every answer comes at the last moment. */
const ALL_MS = 30_000
/** The guest may move its memory about while it is asked. */
const TRIES = 4

/**
 * The guest's memory, ascending: RAM and ROM, plugged DIMMs included. Device registers are no memory, nor is RAM of a real
 * device that is passed through: reading it can have effects.
 * @throws VmsiftError as `Monitor.execute`; `target-unsupported` when QEMU's answers make no sense.
 */
export async function memorySections(monitor: Monitor): Promise<MemorySection[]> {
  const until = performance.now() + ALL_MS
  for (let tries = 1; ; tries++) {
    const ranges = parseFlatView(await monitor.human('info mtree -f'))
    if (ranges.length === 0 || ranges.length > MAX_RANGES)
      throw new VmsiftError(
        'target-unsupported',
        `QEMU tells of ${ranges.length} ranges of memory: none can be found`,
      )
    const sections = await locate(monitor, ranges, until)
    if (sections !== undefined) return mergeSections(sections)
    if (tries === TRIES)
      throw new VmsiftError(
        'target-unsupported',
        'the memory map changes whenever it is looked at; pause the guest',
      )
  }
}

const RANGE =
  /^\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, (?:nv-)?(\S+?)\): (.+?)(?: @[0-9a-f]+)?(?: KVM)?$/
/** `romd`: flash that is read like memory. `ramd`, a device's own, is left out. */
const MEMORY_KINDS = new Set(['ram', 'rom', 'romd'])
const MAX_ADDRESS = 2 ** 52

/** The ranges of memory in the view of the address space `memory`. */
export function parseFlatView(text: string): FlatRange[] {
  const view = text.split(/^FlatView #/m).find(part => /^ AS "memory",/m.test(part)) ?? ''
  const ranges: FlatRange[] = []
  for (const line of view.split('\n')) {
    const [, from, to, kind, name] = RANGE.exec(line.trimEnd()) ?? []
    if (from === undefined || to === undefined || name === undefined || !MEMORY_KINDS.has(kind ?? ''))
      continue
    const gpa = Number.parseInt(from, 16)
    const end = Number.parseInt(to, 16) + 1
    const last = ranges.at(-1)
    if (end > gpa && end <= MAX_ADDRESS && (last === undefined || gpa >= last.gpa + last.length))
      ranges.push({ gpa, length: end - gpa, name })
  }
  return ranges
}

/** Undefined when what lies there is not what lay there a moment ago. */
async function locate(
  monitor: Monitor,
  ranges: readonly FlatRange[],
  until: number,
): Promise<MemorySection[] | undefined> {
  const sections: MemorySection[] = []
  for (const { gpa, length, name } of ranges) {
    if (performance.now() > until)
      throw new VmsiftError(
        'target-unsupported',
        `QEMU takes longer than ${ALL_MS} ms to tell where its memory lies`,
      )
    const first = await hostAddress(monitor, gpa)
    const last = await hostAddress(monitor, gpa + length - 1)
    if (first?.name !== name || last?.name !== name || last.pointer - first.pointer !== length - 1)
      return undefined
    sections.push({ gpa, length, pointer: first.pointer })
  }
  return sections
}

interface HostAddress {
  readonly name: string
  readonly pointer: number
}

async function hostAddress(monitor: Monitor, gpa: number): Promise<HostAddress | undefined> {
  const answer = await monitor.human(`gpa2hva ${hex(gpa)}`)
  const [, name, digits] =
    /^Host virtual address for 0x[0-9a-f]+ \((.*)\) is (?:0x)?([0-9a-f]+)\s*$/.exec(answer) ?? []
  return name === undefined || digits === undefined
    ? undefined
    : { name, pointer: Number.parseInt(digits, 16) }
}

/** Neighbours that touch in both places are one. */
export function mergeSections(sections: readonly MemorySection[]): MemorySection[] {
  const merged: MemorySection[] = []
  for (const section of sections) {
    const last = merged.at(-1)
    if (
      last !== undefined &&
      last.gpa + last.length === section.gpa &&
      last.pointer + last.length === section.pointer
    )
      merged[merged.length - 1] = { ...last, length: last.length + section.length }
    else merged.push(section)
  }
  return merged
}
