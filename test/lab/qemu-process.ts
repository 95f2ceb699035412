/** A QEMU process that never outlives this one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { findProgram } from './command.js'

interface Guarded {
  readonly child: ChildProcess
  readonly workDir: string
}

const guarded = new Set<Guarded>()
let hooked = false

/** Exit code 130 is 128 + SIGINT, 143 is 128 + SIGTERM. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

function killAll(): void {
  for (const { child, workDir } of guarded) {
    child.kill('SIGKILL')
    rmSync(workDir, { recursive: true, force: true })
  }
  guarded.clear()
}

function hookExit(): void {
  if (hooked) return
  hooked = true
  process.on('exit', killAll)
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      killAll()
      process.exit(code)
    })
  }
}

export interface QemuProcess {
  readonly pid: number
  /** Resolves when QEMU has ended, with what it said on stderr. Never rejects. */
  readonly ended: Promise<string>
  /** Kills QEMU, waits for its end and removes the work folder. Safe to call twice. */
  stop(): Promise<void>
}

/**
 * Starts QEMU. It dies with this process: on a normal end and on SIGINT, SIGTERM and SIGHUP through handlers, on
 * SIGKILL through the kernel's parent-death signal (`setpriv`, where util-linux has it).
 */
export function startQemu(program: string, args: readonly string[], workDir: string): QemuProcess {
  hookExit()
  const setpriv = findProgram('setpriv')
  const command = setpriv === undefined ? [program] : [setpriv, '--pdeathsig', 'KILL', program]
  const child = spawn(command[0] as string, [...command.slice(1), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const entry = { child, workDir }
  guarded.add(entry)
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000)
  })
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('close', () => resolve(stderr.trim()))
  })
  return {
    pid: child.pid ?? -1,
    ended,
    async stop() {
      child.kill('SIGKILL')
      await ended
      guarded.delete(entry)
      rmSync(workDir, { recursive: true, force: true })
    },
  }
}
