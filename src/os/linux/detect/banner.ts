/** The kernel's banner: `Linux version 6.1.0-... (who@where) (compiler) #1 SMP ...` (init/version-timestamp.c). */
import type { MemoryRun, PhysicalMemory } from '../../../core/memory.js'
import { readPhysical } from '../../search/physical.js'
import { sweep } from '../../search/sweep.js'

const START = Buffer.from('Linux version ')
/** Bytes that a banner may take. */
export const MAX_BANNER_BYTES = 1024
const MAX_HITS = 256

/** A banner and the release it names. */
export interface Banner {
  /** Without its newline. */
  readonly text: string
  /** As `uname -r` prints it. */
  readonly release: string
}

/**
 * Reads a banner from the start of `bytes`; undefined when it is none. The build's number must be there: without one it is what the first
 * of the kernel's two link steps left behind.
 */
export function parseBanner(bytes: Uint8Array): Banner | undefined {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, MAX_BANNER_BYTES)).toString(
    'latin1',
  )
  const [, text, release] = /^(Linux version (\d+\.\d+\S*) \([^\n\0]* #\S[^\n\0]*)\n\0/.exec(raw) ?? []
  return text === undefined || release === undefined ? undefined : { text: text.trimEnd(), release }
}

/** Banners as the kernel's image holds them (a newline and a NUL behind), and where; copies in logs and files look different. */
export function findBanners(
  memory: PhysicalMemory,
  ranges: readonly MemoryRun[],
): { readonly gpa: number; readonly banner: Banner }[] {
  const hits: number[] = []
  sweep(
    memory,
    (bytes, gpa) => {
      for (let at = bytes.indexOf(START); at >= 0; at = bytes.indexOf(START, at + 1)) {
        if (hits.at(-1) !== gpa + at && hits.length < MAX_HITS) hits.push(gpa + at)
      }
      return hits.length >= MAX_HITS
    },
    { overlap: START.length, ranges },
  )
  const found: { gpa: number; banner: Banner }[] = []
  for (const gpa of hits) {
    const bytes = readPhysical(memory, gpa, MAX_BANNER_BYTES)
    const banner = bytes === undefined ? undefined : parseBanner(bytes)
    if (banner !== undefined) found.push({ gpa, banner })
  }
  return found
}
