/** Writes the search for words of memory, in WebAssembly: scanners/word-search.ts from word-search.wat. `npm run word-search` runs it. */
import { readFileSync, writeFileSync } from 'node:fs'
import wabt from 'wabt'

const FOLDER = new URL('../scanners/', import.meta.url)
const LINE = 110

/** The module's text, as it stands in the repository. */
export async function generateWordSearch(): Promise<string> {
  const { parseWat } = await wabt()
  const module = parseWat('word-search.wat', readFileSync(new URL('word-search.wat', FOLDER), 'utf8'))
  const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64')
  module.destroy()
  const lines = base64.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
  return [
    '/** Generated from word-search.wat by scripts/word-search.ts; change that and run npm run word-search. Base64. */',
    'export const WORD_SEARCH =',
    `${lines.map(line => `  '${line}'`).join(' +\n')}\n`,
  ].join('\n')
}

if (process.argv[1] === new URL(import.meta.url).pathname)
  writeFileSync(new URL('word-search.ts', FOLDER), await generateWordSearch())
