/** Runs the real command line: from source, or the build with VMSIFT_DIST=1. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const DIST = `${ROOT}dist/src/cli/main.js`
const TSX = import.meta.resolve('tsx')

/** What stands before vmsift's own arguments. */
export const NODE_ARGS: readonly string[] =
  process.env.VMSIFT_DIST === '1' ? [DIST] : ['--import', TSX, `${ROOT}src/cli/main.ts`]

if (process.env.VMSIFT_DIST === '1' && !existsSync(DIST))
  throw new Error(`no build at ${DIST}: npm run build`)

export interface CliResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly bytes: Buffer
  readonly stderr: string
}

export interface CliRun {
  readonly child: ChildProcess
  readonly result: Promise<CliResult>
}

export function startCli(words: readonly string[], env: Readonly<Record<string, string>> = {}): CliRun {
  const child = spawn(process.execPath, [...NODE_ARGS, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', piece => out.push(piece))
  child.stderr.on('data', piece => err.push(piece))
  const result = new Promise<CliResult>(resolve => {
    child.once('close', (code, signal) => {
      const bytes = Buffer.concat(out)
      resolve({ code, signal, stdout: bytes.toString(), bytes, stderr: Buffer.concat(err).toString() })
    })
  })
  return { child, result }
}

export function runCli(...words: string[]): Promise<CliResult> {
  return startCli(words).result
}

/** A line of shell in which `"$@"` is vmsift with its arguments. */
export function runShell(script: string, ...words: string[]): Promise<CliResult> {
  const child = spawn('bash', ['-c', script, 'bash', process.execPath, ...NODE_ARGS, ...words])
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', piece => {
    stdout += piece
  })
  child.stderr.on('data', piece => {
    stderr += piece
  })
  return new Promise(resolve => {
    child.once('close', (code, signal) =>
      resolve({ code, signal, stdout, bytes: Buffer.from(stdout), stderr }),
    )
  })
}

/** NDJSON as objects. */
export function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}
