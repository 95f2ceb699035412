/** Finding a Linux kernel in a guest's memory. */
import type { PhysicalMemory } from '../../../core/memory.js'
import { describe } from './describe.js'
import { type LocateHints, locate } from './locate.js'
import { type OpenedLinux, openLinux } from './open.js'
import type { LinuxRecord } from './record.js'

/** A kernel that was found, and its record for the next time. */
export interface FoundLinux extends OpenedLinux {
  readonly record: LinuxRecord
}

/**
 * Finds the kernel that runs in this memory; undefined when there is none that holds together. Its gpas are those of `memory` with
 * `record.base` added, which is 0 unless `hints.openBase` is given and the guest's tables say otherwise.
 */
export function findLinux(memory: PhysicalMemory, hints: LocateHints = {}): FoundLinux | undefined {
  const located = locate(memory, hints)
  const record = located === undefined ? undefined : describe(memory, located)
  if (located === undefined || record === undefined) return undefined
  const symbols = located.kallsyms?.symbols
  return { record, ...openLinux(memory, record, symbols === undefined ? {} : { symbols }) }
}
