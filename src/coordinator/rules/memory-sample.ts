/** A look at what will be searched, so that seldom rows are looked for. */
import type { MemoryRun, PhysicalMemory } from '../../core/memory.js'
import { totalBytes } from '../../core/runs.js'
import { WordCounts } from '../../rules/search/word-counts.js'

const SAMPLES = 256
const SAMPLE_BYTES = 8192

/** Counts words in samples spread evenly over memory. What can't be read is left out. */
export function sampleWords(memory: PhysicalMemory, runs: readonly MemoryRun[]): WordCounts {
  const counts = new WordCounts()
  const step = totalBytes(runs) / SAMPLES
  let before = 0
  for (const { gpa, length } of runs) {
    for (let i = Math.ceil(before / step); i * step < before + length; i++) {
      const into = Math.floor(i * step - before)
      const at = gpa + into - (into % SAMPLE_BYTES)
      const wanted = Math.min(SAMPLE_BYTES, gpa + length - at)
      if (memory.spanAt(at, wanted).kind === 'data') counts.add(memory.window(at, wanted).bytes)
    }
    before += length
  }
  return counts
}
