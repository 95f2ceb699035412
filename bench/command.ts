/** Programs as a user runs them: whole processes, output read through a pipe. */
import { execFileSync, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const CLI = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url))

/** Builds dist, unless VMSIFT_BENCH_NO_BUILD is set. What is measured is what users run. */
export function build(): void {
  if (process.env.VMSIFT_BENCH_NO_BUILD !== undefined) return
  process.stderr.write('building dist\n')
  execFileSync('npx', ['tsc', '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}

/** A vmsift command line for `execute`. */
export function vmsift(...words: readonly string[]): readonly string[] {
  return [process.execPath, CLI, ...words]
}

export interface Execution {
  readonly seconds: number
  /** From the start to the first byte on stdout; absent when nothing came. */
  readonly firstOutputSeconds?: number
  readonly code: number
  /** The last line on stdout. */
  readonly lastLine: string
  readonly outputBytes: number
}

/** Runs a program to its end. `onStart` gets its process id. @throws when it exits with a code of 2 or more. */
export function execute(
  words: readonly string[],
  onStart?: (pid: number) => void,
  onOutput?: (bytes: number) => void,
): Promise<Execution> {
  return new Promise((resolve, reject) => {
    const [program, ...rest] = words
    const started = performance.now()
    const since = (): number => (performance.now() - started) / 1000
    const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
    let first: number | undefined
    let tail = ''
    let outputBytes = 0
    let errors = ''
    if (child.pid !== undefined) onStart?.(child.pid)
    child.stdout.on('data', (piece: Buffer) => {
      first ??= since()
      outputBytes += piece.length
      tail = (tail + piece.toString('latin1').slice(-4096)).slice(-4096)
      onOutput?.(outputBytes)
    })
    child.stderr.on('data', (piece: Buffer) => {
      errors = (errors + piece.toString()).slice(-2000)
    })
    child.on('error', reject)
    child.on('close', code => {
      if (code === null || code >= 2) {
        reject(new Error(`${words.slice(0, 4).join(' ')} exited with ${code}: ${errors.trim()}`))
        return
      }
      const lastLine = tail.trimEnd().split('\n').at(-1) ?? ''
      resolve({
        seconds: since(),
        code,
        lastLine,
        outputBytes,
        ...(first !== undefined && { firstOutputSeconds: first }),
      })
    })
  })
}
