/** YARA-X, the official WebAssembly build: loaded when rules are there, synchronously, once a thread. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { VmsiftError } from '../core/errors.js'

/** What is used of the package. */
export type YaraModule = Pick<typeof import('@virustotal/yara-x'), 'Compiler'>
export type YaraRules = import('@virustotal/yara-x').Rules
export type YaraEngine = import('@virustotal/yara-x').Scanner

const PACKAGE = '@virustotal/yara-x'
const require = createRequire(import.meta.url)

let loaded: YaraModule | undefined

/** The module, ready to use. */
export function loadYara(): YaraModule {
  if (loaded !== undefined) return loaded
  try {
    const yara = require(PACKAGE) as typeof import('@virustotal/yara-x')
    const wasm = join(dirname(require.resolve(PACKAGE)), 'yara_x_js_bg.wasm')
    yara.initSync({ module: readFileSync(wasm) })
    loaded = yara
    return yara
  } catch (error) {
    throw new VmsiftError(
      'ffi-unavailable',
      `YARA-X can't be loaded: ${(error as Error).message}; run npm ci`,
      {
        cause: error,
      },
    )
  }
}

/** Version of the package, without loading it. */
export function yaraVersion(): string {
  return (require(`${PACKAGE}/package.json`) as { version: string }).version
}
