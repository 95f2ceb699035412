/** The `yara` program: the judge of what rules match. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Version of the program, `4.2.3`; undefined when it is not here. */
export function yaraVersionHere(): string | undefined {
  const { status, stdout } = spawnSync('yara', ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

export interface YaraAnswer {
  /** What it said is wrong with the rules; undefined when nothing is. */
  readonly error: string | undefined
  /** Names of the rules that hold, with their namespace where it is not `default`, in their order. */
  readonly rules: readonly string[]
  /** `rule $a 0x10 3`, sorted. The program prints no length beyond 512: it is that of the bytes it keeps. */
  readonly matches: readonly string[]
}

/** A rule file, and the namespace that it is given; `default` when there is none. */
export interface YaraFile {
  readonly path: string
  readonly namespace?: string
}

/** A folder of a test's own, for rules and data. */
export class YaraProgram {
  readonly #folder = mkdtempSync(join(tmpdir(), 'vmsift-yara-'))

  /** Runs rules over bytes; externals as `name=value`. */
  scan(rules: string | Uint8Array, data: Uint8Array, externals: readonly string[] = []): YaraAnswer {
    const ruleFile = join(this.#folder, 'rules.yar')
    const dataFile = join(this.#folder, 'data')
    writeFileSync(ruleFile, rules)
    writeFileSync(dataFile, data)
    return this.scanFiles([{ path: ruleFile }], dataFile, externals)
  }

  /** Runs rule files over a file. */
  scanFiles(files: readonly YaraFile[], dataFile: string, externals: readonly string[] = []): YaraAnswer {
    const defined = externals.flatMap(external => ['-d', external])
    const rules = files.map(({ path, namespace }) =>
      namespace === undefined ? path : `${namespace}:${path}`,
    )
    const { status, stdout, stderr, error } = spawnSync(
      'yara',
      ['-w', '-e', '-s', '-L', '-a', '600', ...defined, ...rules, dataFile],
      { encoding: 'latin1', maxBuffer: 2 ** 29 - 1 },
    )
    if (error !== undefined) throw error
    if (status !== 0) return { error: stderr.trim(), rules: [], matches: [] }
    return { error: undefined, ...parseOutput(stdout, dataFile) }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function parseOutput(stdout: string, dataFile: string): Pick<YaraAnswer, 'rules' | 'matches'> {
  const found = { rules: [] as string[], matches: [] as string[] }
  for (const line of stdout.split('\n')) {
    const match = /^0x([0-9a-f]+):(\d+):(\$\w*): /.exec(line)
    if (match !== null) found.matches.push(`${found.rules.at(-1)} ${match[3]} 0x${match[1]} ${match[2]}`)
    else if (line.endsWith(` ${dataFile}`))
      found.rules.push(line.slice(0, -dataFile.length - 1).replace(/^default:/, ''))
  }
  found.matches.sort()
  return found
}
