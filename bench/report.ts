/** What was measured: one line a comparison on the terminal, and all of it in a file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchDirectory } from './data.js'
import type { Machine } from './machine.js'
import { digits, median } from './stats.js'

export interface Measure {
  readonly name: string
  readonly unit: 'GB/s' | 'M/s' | 's' | 'ms' | 'MB'
  readonly values: readonly number[]
}

/** Ours beside theirs. */
export interface Line {
  readonly suite: string
  readonly name: string
  readonly measures: readonly Measure[]
  /** What the first measure should be, and whether it is. */
  readonly goal?: { readonly text: string; readonly met: boolean }
  /** First measure through second, medians. */
  readonly ratio?: number
}

const RESULTS = fileURLToPath(new URL('results/', import.meta.url))

export class Report {
  readonly #lines: (Line & { medians: readonly number[] })[] = []
  readonly #skipped: { suite: string; what: string; why: string }[] = []
  #suite = ''

  add(line: Line): void {
    this.#lines.push({ ...line, medians: line.measures.map(({ values }) => median(values)) })
    this.#heading(line.suite)
    const sides = line.measures.map(side => `${side.name} ${digits(median(side.values))} ${side.unit}`)
    const ratio = line.ratio === undefined ? '' : `  ratio ${line.ratio.toFixed(3)}`
    const goal = line.goal === undefined ? '' : `  ${line.goal.met ? 'ok  ' : 'MISS'} (${line.goal.text})`
    process.stdout.write(
      `  ${line.name.padEnd(28)} ${sides.map(side => side.padEnd(26)).join(' ')}${ratio}${goal}\n`,
    )
  }

  /** Something that can't be measured here, by name. */
  skip(suite: string, what: string, why: string): void {
    this.#skipped.push({ suite, what, why })
    this.#heading(suite)
    process.stdout.write(`  ${what.padEnd(28)} skipped: ${why}\n`)
  }

  /**
   * Writes `results/<date>-<hostname>.json` and returns its path; a second run of the day replaces the first. A run
   * that is not `whole` goes beside the images instead.
   */
  save(machine: Machine, settings: object, whole: boolean): string {
    mkdirSync(RESULTS, { recursive: true })
    const now = new Date().toISOString()
    const path = whole
      ? join(RESULTS, `${now.slice(0, 10)}-${hostname()}.json`)
      : join(benchDirectory(), 'last-partial-run.json')
    const { load, ...rest } = machine
    const all = { date: now, machine: rest, load, settings, lines: this.#lines, skipped: this.#skipped }
    writeFileSync(path, `${JSON.stringify(all, undefined, 2)}\n`)
    return path
  }

  #heading(suite: string): void {
    if (suite === this.#suite) return
    this.#suite = suite
    process.stdout.write(`\n${suite}\n`)
  }
}

/** Gigabytes a second of each run over `bytes`. */
export function throughput(name: string, bytes: number, seconds: readonly number[]): Measure {
  return { name, unit: 'GB/s', values: seconds.map(value => bytes / value / 1e9) }
}

/** Median of the first measure through median of the second. */
export function ratioOf(ours: Measure, theirs: Measure): number {
  return median(ours.values) / median(theirs.values)
}
