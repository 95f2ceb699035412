/** `npm run bench`: see README.md. */
import { parseArgs } from 'node:util'
import { build } from './command.js'
import { describeMachine } from './machine.js'
import { Report } from './report.js'
import type { Suite } from './suite.js'
import { formats } from './suites/formats.js'
import { live } from './suites/live.js'
import { mapping } from './suites/mapping.js'
import { matcher } from './suites/matcher.js'
import { memory } from './suites/memory.js'
import { scaling } from './suites/scaling.js'
import { startUp } from './suites/start-up.js'
import { translate } from './suites/translate.js'
import { virtual } from './suites/virtual.js'
import { wholeProcess } from './suites/whole-process.js'
import { windows } from './suites/windows.js'
import { yara } from './suites/yara.js'

const SUITES: Readonly<Record<string, Suite>> = {
  matcher,
  scaling,
  process: wholeProcess,
  startup: startUp,
  memory,
  formats,
  mapping,
  virtual,
  translate,
  live,
  windows,
  yara,
}
/** Suites that run what was built. */
const BUILT = new Set(['virtual', 'scaling', 'process', 'startup', 'memory', 'windows', 'yara'])

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '7' },
  },
})

const asked = values.only?.split(',') ?? Object.keys(SUITES)
const unknown = asked.filter(name => !(name in SUITES))
if (unknown.length > 0)
  throw new Error(`no suite ${unknown.join(', ')}; there are ${Object.keys(SUITES).join(', ')}`)
const megabytes = Number(process.env.VMSIFT_BENCH_MB ?? (values.quick ? 256 : 1024))
const rounds = Number(values.rounds)
if (!(megabytes >= 16 && rounds >= 1))
  throw new Error('VMSIFT_BENCH_MB must be 16 or more, --rounds 1 or more')
const settings = { megabytes, largeMegabytes: megabytes * 4, rounds, peers: values.peers }

if (asked.some(name => BUILT.has(name))) build()
const machine = describeMachine()
const load = machine.load[0]!
process.stdout.write(
  `${machine.cpu}, ${machine.processors} processors; node ${machine.node}; ${machine.matcher}; ` +
    `revision ${machine.revision.slice(0, 7)}${machine.modified ? ' with changes' : ''}; load ${load.toFixed(1)}\n`,
)
if (load > 0.5) process.stdout.write('others are at work on this machine: these figures are too low\n')
const report = new Report()
for (const name of asked) {
  try {
    await SUITES[name]!({ report, ...settings })
  } catch (error) {
    report.skip(name, 'failed', error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
const whole = values.only === undefined && megabytes >= 1024
process.stdout.write(`\nwritten to ${report.save(machine, { ...settings, suites: asked }, whole)}\n`)
// koffi's callbacks and pools may hold the loop
process.exit()
