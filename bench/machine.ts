/** Where and with what a run was made. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, freemem, hostname, loadavg, release, totalmem } from 'node:os'
import { describeMatcher } from '../src/patterns/compile.js'

export interface Machine {
  readonly host: string
  readonly cpu: string
  readonly processors: number
  readonly memoryBytes: number
  readonly freeBytes: number
  readonly kernel: string
  readonly node: string
  readonly matcher: string
  readonly revision: string
  /** Files differ from the revision. */
  readonly modified: boolean
  readonly peers: Readonly<Record<string, string>>
  /** 1, 5 and 15 minutes, at the start: others at work spoil the figures. */
  readonly load: readonly number[]
}

const VERSION_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  rg: ['--version'],
  yara: ['--version'],
  gcc: ['-dumpfullversion'],
  yr: ['--version'],
  bulk_extractor: ['-V'],
  vol: ['-h'],
  'vmi-process-list': ['-h'],
}

/** First line of what the program says of its version, or undefined when it is not installed. */
export function versionOf(program: string): string | undefined {
  try {
    const words = VERSION_OPTIONS[program] ?? ['--version']
    return execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
      '\n',
    )[0]
  } catch (error) {
    // installed, but it has no such option
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'unknown'
  }
}

/** Everything a reader needs to compare figures of two days. */
export function describeMachine(): Machine {
  const peers = Object.keys(VERSION_OPTIONS).flatMap(name => {
    const version = versionOf(name)
    return version === undefined ? [] : [[name, version] as const]
  })
  return {
    host: hostname(),
    cpu: `${cpuName()} (${arch()})`,
    processors: cpus().length,
    memoryBytes: totalmem(),
    freeBytes: freemem(),
    kernel: release(),
    node: process.version,
    matcher: describeMatcher(),
    revision: git('rev-parse', 'HEAD'),
    modified: git('status', '--porcelain', '--', 'src', 'workers', 'scanners') !== '',
    peers: Object.fromEntries(peers),
    load: loadavg(),
  }
}

function cpuName(): string {
  try {
    return /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown'
  } catch {
    return cpus()[0]?.model ?? 'unknown'
  }
}

function git(...words: string[]): string {
  try {
    return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
