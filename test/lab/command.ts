/** Runs the programs the lab is made with. */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface CommandOptions {
  readonly cwd?: string
  /** Milliseconds until the command is killed; default two minutes. */
  readonly timeoutMs?: number
}

/**
 * Runs a program to its end and returns its stdout.
 * @throws Error with the command line and the last lines of stderr.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { cwd, timeoutMs = 120_000 } = options
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      { cwd, timeout: timeoutMs, maxBuffer: 256 << 20, env: { ...process.env, LC_ALL: 'C' } },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout)
        const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-8).join('\n')
        reject(new Error(`${file} ${args.join(' ')} failed: ${said || error.message}`, { cause: error }))
      },
    )
  })
}

/** Where a program is on PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(dir, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder: the next one may have it.
    }
  }
  return undefined
}
