/** `vmsift rules check`: what is wrong with YARA rules, and what in them is slow. */
import type { Command } from 'commander'
import { VmsiftError } from '../core/errors.js'
import type { Run } from './define.js'
import { EXIT } from './exit-codes.js'
import { parseExternals } from './external-option.js'
import { readAll, ruleFiles } from './input-files.js'
import { outputFor } from './output.js'

const HELP = `
Compiles rules and tells every error with its place, strings that are slow to look for, and rules that are left to YARA-X
because they use a module about files. Each path is a file, or a folder of .yar and .yara files.

Exit codes: 0 the rules are right, 2 one is wrong.

Examples:
  vmsift rules check rules/
  vmsift rules check one.yar two.yar --define hour=12
  vmsift rules check rules/ --json`

interface RulesOptions {
  readonly define?: readonly string[]
  readonly json?: boolean
}

const collect = (value: string, before: readonly string[] | undefined) => [...(before ?? []), value]

/** Describes the command. */
export function define(command: Command, run: (work: Run) => Promise<void>): void {
  command
    .description('Check YARA rules.')
    .option('-d, --define <name=value>', 'an external variable (repeatable)', collect)
    .option('--json', 'one JSON object a line')
    .addHelpText('after', HELP)
    .action((action: string, paths: readonly string[], options: RulesOptions) =>
      run(() => rulesCommand(action, paths, options)),
    )
}

async function rulesCommand(
  action: string,
  paths: readonly string[],
  options: RulesOptions,
): Promise<number> {
  if (action !== 'check')
    throw new VmsiftError(
      'bad-argument',
      `unknown action "${action}"; write: vmsift rules check ${paths.join(' ')}`,
    )
  const externals = parseExternals(options.define)
  const texts = await Promise.all(
    (await ruleFiles(paths)).map(async file => ({
      ...file,
      source: await readAll(file.path, 'the rule file'),
    })),
  )
  const { reportOf, reportJson, reportText } = await import('./rules-report.js')
  const report = reportOf(texts, externals)
  const output = outputFor(undefined)
  for (const text of options.json === true ? reportJson(report) : reportText(report)) await output.write(text)
  await output.end()
  return report.errors.length === 0 ? EXIT.done : EXIT.usage
}
