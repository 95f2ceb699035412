/** `npm run bench`: see README.md. */
import { parseArgs } from 'node:util'
import { describeMachine } from './machine.js'
import { Report } from './report.js'
import type { Suite } from './suite.js'
import { mapping } from './suites/mapping.js'
import { matcher } from './suites/matcher.js'

const SUITES: Readonly<Record<string, Suite>> = { matcher, mapping }

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
const settings = {
  megabytes,
  largeMegabytes: megabytes * 4,
  rounds: Number(values.rounds),
  peers: values.peers,
}

const machine = describeMachine()
process.stdout.write(
  `${machine.cpu}, ${machine.processors} processors, node ${machine.node}, ${machine.matcher}, ${machine.revision.slice(0, 7)}${machine.modified ? '+' : ''}, load ${machine.load[0]!.toFixed(1)}\n`,
)
const report = new Report()
for (const name of asked) await SUITES[name]!({ report, ...settings })
process.stdout.write(`\nwritten to ${report.save(machine, { ...settings, suites: asked })}\n`)
process.exit(0)
