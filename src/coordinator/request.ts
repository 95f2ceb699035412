/** What a caller asks of a scan, and its defaults. */

import { hex } from '../core/address.js'
import { VmsiftError } from '../core/errors.js'
import type { MemoryRun } from '../core/memory.js'
import { clipRuns, totalBytes } from '../core/runs.js'
import type { CompiledScan } from '../scan/compiled-scan.js'
import type { Fault } from '../scan/messages.js'
import type { MatcherChoice, PatternSpec } from '../scan/pattern-spec.js'
import type { SpaceChoice } from '../space/guest-spaces.js'
import type { FoundSpaces } from './guest-spaces.js'
import { defaultJobs } from './jobs.js'
import type { Target } from './target.js'

export interface ScanRequest {
  readonly patterns: readonly PatternSpec[]
  /** Guest physical, end exclusive; matches lie wholly inside. Default: all memory. */
  readonly range?: { readonly start: number; readonly end: number }
  /**
   * What is scanned; default `physical` (`kernel` for a target that holds virtual memory only). `processes`: every process's own memory, the user half, each frame once however many map it;
   * a match is told once for every process and address. `kernel`: what the kernel maps. `{ pid }`: one process. Needs a guest whose system
   * is recognised; not with `range`.
   */
  readonly space?: SpaceChoice
  /** Tell which processes and kernel addresses map each match. */
  readonly owners?: boolean
  /** A symbol file, or a folder of them, for a guest that alone does not tell enough. Default: `$VMSIFT_SYMBOLS`. */
  readonly symbols?: string
  /** Hold a running guest still while it is scanned. It runs again afterwards, unless it was paused before. */
  readonly pause?: boolean
  /** Values of the external variables that YARA rules refer to, by name. */
  readonly externals?: Readonly<Record<string, boolean | bigint | number | string>>
  /** Worker threads; default: the processors this process may use. */
  readonly jobs?: number
  /** Stop after so many matches. */
  readonly limit?: number
  /** Bytes to keep on either side of each match. */
  readonly contextBytes?: number
  /** Longest match of a regular expression without a bound; default 4096. */
  readonly maxMatchBytes?: number
  /** Drop a match that lies inside an earlier one of the same pattern. */
  readonly outermost?: boolean
  /** Deliver matches in ascending order of address; in a virtual space by pid, then address, all held in memory until the end. */
  readonly sort?: boolean
  /** Default `auto`: Vectorscan where its library is found. */
  readonly matcher?: MatcherChoice
  /** Ends the scan early; what was found is delivered, and the summary says `complete: false`. */
  readonly signal?: AbortSignal
  /** Seconds between progress events; default: none. */
  readonly progressSeconds?: number
  /** Takes hints for a person, such as how to get a faster matcher. */
  readonly onHint?: (line: string) => void
  /** For measuring and tests; the answers don't depend on them. */
  readonly tuning?: ScanTuning
}

/** A scan of physical memory, which is the default. */
export interface PhysicalScanRequest extends ScanRequest {
  readonly space?: 'physical'
}

export interface ScanTuning {
  readonly blockBytes?: number
  readonly partitionBytes?: number
  /** @internal */
  readonly fault?: Fault
  /**
   * The guest's address spaces, in place of those that are found.
   * @internal
   */
  readonly spaces?: FoundSpaces
}

const MAX_JOBS = 256
const MAX_CONTEXT_BYTES = 65536
/** With what windows reach beyond, less than a driver lends. */
const MAX_BLOCK_BYTES = 32 * 2 ** 20
const MAX_PROGRESS_SECONDS = 86_400
/** Big enough to make the cost of a call vanish, small enough to cancel within a few milliseconds. */
const BLOCK_BYTES = 4 * 2 ** 20
/** A sorted block is held in memory whole. */
const SORTED_BLOCK_BYTES = 2 ** 20

/** Checks the numbers of a request. @throws VmsiftError `bad-argument` or `out-of-range` naming the field. */
export function checkRequest(target: Target, request: ScanRequest): void {
  checkCount('jobs', request.jobs, 1, MAX_JOBS)
  checkCount('limit', request.limit, 1, Number.MAX_SAFE_INTEGER)
  checkCount('contextBytes', request.contextBytes, 0, MAX_CONTEXT_BYTES)
  checkCount('tuning.blockBytes', request.tuning?.blockBytes, 1, MAX_BLOCK_BYTES)
  checkCount('tuning.partitionBytes', request.tuning?.partitionBytes, 1, Number.MAX_SAFE_INTEGER)
  const seconds = request.progressSeconds
  if (seconds !== undefined && !(seconds > 0 && seconds <= MAX_PROGRESS_SECONDS))
    throw new VmsiftError(
      'bad-argument',
      `progressSeconds must be above 0 and at most ${MAX_PROGRESS_SECONDS}, not ${seconds}`,
    )
  if (!Array.isArray(request.patterns))
    throw new VmsiftError('bad-argument', 'patterns must be a list of what to look for')
  checkSpace(target, request)
  if (request.pause === true && !target.live)
    throw new VmsiftError('bad-argument', 'pause is for running guests: a snapshot stands still anyway')
  const range = request.range
  if (range === undefined) return
  checkCount('range.start', range.start, 0, Number.MAX_SAFE_INTEGER)
  if (range.end !== Number.POSITIVE_INFINITY) checkCount('range.end', range.end, 0, Number.MAX_SAFE_INTEGER)
  if (!(range.start < range.end))
    throw new VmsiftError(
      'bad-argument',
      `range is empty or backwards: ${hex(range.start)}-${hex(range.end)}`,
    )
  if (scanRuns(target, request).length === 0)
    throw new VmsiftError(
      'out-of-range',
      `range ${hex(range.start)}-${hex(range.end)} holds no memory; memory ends at ${hex(target.maxAddress)}`,
      { detail: { ...range } },
    )
}

/** The space of a request, with its default. */
export function spaceOf(target: Target, { space }: ScanRequest): SpaceChoice {
  return space ?? (target.space === 'virtual' ? 'kernel' : 'physical')
}

function checkSpace(target: Target, request: ScanRequest): void {
  const { range } = request
  const space = spaceOf(target, request)
  const known = ['physical', 'kernel', 'processes']
  const pid = typeof space === 'object' ? space.pid : undefined
  if (pid === undefined ? !known.includes(space as string) : !(Number.isSafeInteger(pid) && pid > 0))
    throw new VmsiftError(
      'bad-argument',
      `space must be physical, kernel, processes or a process id, not ${pid ?? space}`,
    )
  if (space !== 'physical' && range !== undefined)
    throw new VmsiftError('bad-argument', 'range is guest physical: it goes with space physical only')
  if (target.space === 'virtual') checkVirtual(target, space, request.owners === true)
}

/** What can be asked of a target that holds blocks of the kernel's memory only. */
function checkVirtual({ path }: Target, space: SpaceChoice, owners: boolean): void {
  const only = `${path} holds blocks of the kernel's virtual memory only`
  if (space === 'physical')
    throw new VmsiftError('bad-argument', `${only}, no physical memory: scan space kernel`)
  if (space !== 'kernel')
    throw new VmsiftError('bad-argument', `${only}, no process's memory: scan space kernel`)
  if (owners) throw new VmsiftError('bad-argument', `${only}: owners of physical memory can't be told`)
}

function checkCount(name: string, value: number | undefined, low: number, high: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= low && value <= high)) return
  throw new VmsiftError('bad-argument', `${name} must be a whole number from ${low} to ${high}, not ${value}`)
}

/** The part of the target's memory that is asked for. */
export function scanRuns(target: Target, request: ScanRequest): readonly MemoryRun[] {
  const { range } = request
  // of a target without physical memory: its blocks
  const { runs } = target.driver
  return range === undefined ? runs : clipRuns(runs, range.start, range.end)
}

export interface Shape {
  readonly runs: readonly MemoryRun[]
  readonly bytesTotal: number
  readonly jobs: number
  readonly blockBytes: number
}

/** Workers for this request: as asked for, but never more than there is memory to share out. */
export function jobsFor(target: Target, request: ScanRequest): number {
  const blocks = Math.ceil(
    totalBytes(scanRuns(target, request)) / (request.tuning?.blockBytes ?? BLOCK_BYTES),
  )
  return Math.max(1, Math.min(request.jobs ?? defaultJobs(), blocks))
}

/** What is scanned, in which pieces, by how many. */
export function shapeOf(target: Target, request: ScanRequest, compiled: CompiledScan, jobs: number): Shape {
  const runs = scanRuns(target, request)
  const sorted = request.sort === true && compiled.strings === undefined
  const blockBytes = request.tuning?.blockBytes ?? (sorted ? SORTED_BLOCK_BYTES : BLOCK_BYTES)
  return { runs, bytesTotal: totalBytes(runs), jobs, blockBytes }
}
