/** The C peer: compiled here when the compiler and the headers are there, and driven pass by pass. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { benchDirectory } from './data.js'

const SOURCE = fileURLToPath(new URL('native/hs-scan.c', import.meta.url))
const HEADERS = ['/usr/include/hs/hs.h', '/usr/local/include/hs/hs.h']

export type NativeMode = 'fresh' | 'touched' | 'read-fresh' | 'read-touched' | 'read-pread'

/** The program's path, or why there is none. */
export function buildNative(): { readonly path: string } | { readonly missing: string } {
  if (!HEADERS.some(existsSync)) return { missing: 'hs/hs.h (apt install libvectorscan-dev)' }
  const path = join(benchDirectory(), 'hs-scan')
  if (existsSync(path) && statSync(path).mtimeMs > statSync(SOURCE).mtimeMs) return { path }
  try {
    execFileSync('gcc', ['-O3', '-march=native', '-o', path, SOURCE, '-lhs'], { stdio: 'pipe' })
    return { path }
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer }
    return { missing: code === 'ENOENT' ? 'gcc' : `hs-scan.c did not compile: ${stderr}` }
  }
}

/** The running program: one pass over the image for each call. */
export class NativeScanner implements Disposable {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(path: string, image: string, expressions: string, lookAheadBytes: number) {
    this.#child = spawn(path, [image, expressions, String(lookAheadBytes)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  /** One pass; its seconds by the program's own clock, and the hits. */
  async pass(mode: NativeMode): Promise<{ seconds: number; matches: number }> {
    this.#child.stdin!.write(`${mode}\n`)
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`hs-scan ended in a ${mode} pass`)
    const [seconds, matches] = String(value).split(' ').map(Number)
    return { seconds: seconds!, matches: matches! }
  }

  [Symbol.dispose](): void {
    this.#child.stdin!.end()
  }
}
