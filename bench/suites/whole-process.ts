/** Suite 3: from start to exit, as a user waits for it, beside the programs that people use for it today. */
import { execute, vmsift } from '../command.js'
import { MIB, realImage, warm } from '../data.js'
import { versionOf } from '../machine.js'
import { alternate, type Case } from '../measure.js'
import { literals, RARE_TEXT } from '../patterns.js'
import type { Line, Measure } from '../report.js'
import { literalRuleFile, patternFile, ruleFile } from '../rules.js'
import { median } from '../stats.js'
import type { Bench } from '../suite.js'

const SUITE = 'whole process, start to exit, seconds'

interface Race {
  readonly name: string
  readonly ours: readonly string[]
  readonly peer: string
  readonly theirs: readonly string[]
  /** Their program takes long: fewer rounds. */
  readonly slow?: boolean
  readonly judge: (ours: number, theirs: number) => NonNullable<Line['goal']>
}

/** One literal against ripgrep, rules and a thousand literals against yara. */
export async function wholeProcess(bench: Bench): Promise<void> {
  const large = realImage(bench.largeMegabytes)
  const image = realImage(bench.megabytes)
  const rules = ruleFile(image, bench.megabytes * MIB, 100)
  const texts = literals(1000)
  const gibibytes = (megabytes: number): string => `${megabytes / 1024} GiB`
  const races: Race[] = [
    {
      name: `1 literal, ${gibibytes(bench.largeMegabytes)}`,
      ours: vmsift('scan', large, '--text', RARE_TEXT, '--json'),
      peer: 'rg',
      theirs: ['rg', '--no-config', '-a', '-F', '-o', '-b', RARE_TEXT, large],
      judge: (ours, theirs) => ({
        text: `≤ rg + 0.35 s, aim + 0.1; is + ${(ours - theirs).toFixed(3)}`,
        met: ours <= theirs + 0.35,
      }),
    },
    {
      name: `100 YARA rules, ${gibibytes(bench.megabytes)}`,
      ours: vmsift('scan', image, '--yara', rules, '--json'),
      peer: 'yara',
      theirs: ['yara', '-w', rules, image],
      slow: true,
      judge: (ours, theirs) => ({ text: '≤ yara', met: ours <= theirs }),
    },
    {
      name: `1000 literals, ${gibibytes(bench.megabytes)}`,
      ours: vmsift('scan', image, '--patterns', patternFile(texts), '--json'),
      peer: 'yara',
      theirs: ['yara', '-w', literalRuleFile(texts), image],
      slow: true,
      judge: (ours, theirs) => ({
        text: `≥ 10 × faster; is ${(theirs / ours).toFixed(1)}`,
        met: theirs >= 10 * ours,
      }),
    },
  ]
  warm(large)
  warm(image)
  for (const race of races) await run(bench, race)
}

async function run(bench: Bench, race: Race): Promise<void> {
  const ours: Case = { name: 'vmsift', run: () => execute(race.ours) }
  const theirs: Case = { name: race.peer, run: () => execute(race.theirs) }
  const present = bench.peers && versionOf(race.peer) !== undefined
  if (!present)
    bench.report.skip(SUITE, `${race.name}: ${race.peer}`, bench.peers ? 'not installed' : 'run with --peers')
  try {
    const samples = await alternate(
      present ? [ours, theirs] : [ours],
      race.slow === true ? Math.min(5, bench.rounds) : bench.rounds,
    )
    const measures = samples.map(({ name, seconds }): Measure => ({ name, unit: 's', values: seconds }))
    const [mine, other] = measures.map(({ values }) => median(values))
    bench.report.add({
      suite: SUITE,
      name: race.name,
      measures,
      ...(other !== undefined && { ratio: mine! / other, goal: race.judge(mine!, other) }),
    })
  } catch (error) {
    bench.report.skip(SUITE, race.name, error instanceof Error ? error.message : String(error))
  }
}
