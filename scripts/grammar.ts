/** Writes the parser of YARA rules from its grammar: src/rules/grammar/parser.ts from yara.peggy. `npm run grammar` runs it. */
import { readFileSync, writeFileSync } from 'node:fs'
import peggy from 'peggy'

const FOLDER = new URL('../src/rules/grammar/', import.meta.url)

/** The parser's text, as it stands in the repository. */
export function generateParser(): string {
  const grammar = readFileSync(new URL('yara.peggy', FOLDER), 'utf8')
  const parser = peggy.generate(grammar, { output: 'source', format: 'es', grammarSource: 'yara.peggy' })
  return `// @ts-nocheck: generated from yara.peggy by scripts/grammar.ts; change that and run npm run grammar\n${parser}`
}

if (process.argv[1] === new URL(import.meta.url).pathname)
  writeFileSync(new URL('parser.ts', FOLDER), generateParser())
