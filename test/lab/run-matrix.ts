/** `npm run test:guests`: boots the guests of the matrix (or takes their dumps) and runs test/integration/guests on each. */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { labAvailable } from './available.js'
import { MATRIX, matrixGuest } from './guests.js'
import { dumpOf, matrixDir, missingFor } from './matrix.js'

const HELP = `npm run test:guests -- [options] [names...]

Boots guests, compares what vmsift says of their memory with what they say themselves. Without names: every guest.
Dumps are kept in ${matrixDir()} (VMSIFT_LAB_MATRIX) and made again when kernel, guest or lab have changed.

  --list       say which guests there are
  --boot-only  make the dumps, run no tests
  --test TEXT  only test files whose path has this in it
  --if-possible  where no guest can be booted, say why and succeed
`

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      'boot-only': { type: 'boolean', default: false },
      test: { type: 'string', default: '' },
      'if-possible': { type: 'boolean', default: false },
    },
  })
  if (values.help) return say(HELP)
  if (values.list) return say(MATRIX.map(({ name, about }) => `${name.padEnd(20)}${about}\n`).join(''))
  const lab = await labAvailable()
  if (!lab.ok && values['if-possible']) return say(`guests skipped: ${lab.reason}\n`)
  if (!lab.ok) throw new Error(`can't run here: ${lab.reason}`)
  const names = positionals.length > 0 ? positionals : MATRIX.map(guest => guest.name)
  const lines: string[] = []
  let failed = 0
  for (const name of names) {
    const [line, ok] = await runGuest(name, values['boot-only'], values.test)
    lines.push(`${name.padEnd(20)}${line}\n`)
    if (!ok) failed++
  }
  say(`\n${lines.join('')}`)
  return failed === 0 ? 0 : 1
}

async function runGuest(name: string, bootOnly: boolean, filter: string): Promise<[string, boolean]> {
  const missing = missingFor(matrixGuest(name))
  if (missing !== undefined) return [`skipped: not found: ${missing}`, true]
  let line: string
  let dir: string
  try {
    const dump = await dumpOf(name)
    dir = dump.dir
    const boot = dump.bootSeconds === undefined ? 'kept dump' : `booted in ${dump.bootSeconds.toFixed(1)} s`
    line = `${dump.kernel.release}, ${boot}`
  } catch (error) {
    return [`no dump: ${error instanceof Error ? error.message : String(error)}`, false]
  }
  say(`${name}: ${line}\n`)
  if (bootOnly) return [line, true]
  const code = await runTests(dir, filter)
  return [`${line}, tests ${code === 0 ? 'passed' : `FAILED (${code})`}`, code === 0]
}

function runTests(dir: string, filter: string): Promise<number> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', `test/integration/guests/${filter}`], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, VMSIFT_GUEST_DUMP: dir },
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code ?? 1))
  })
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

main().then(
  code => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`test:guests: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  },
)
