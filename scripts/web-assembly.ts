/** Writes what is WebAssembly: of each module's text (scanners/*.wat) a file that holds it. `npm run web-assembly` runs it. */
import { readFileSync, writeFileSync } from 'node:fs'
import wabt from 'wabt'

/** The modules, by the names of their files. */
export const MODULES = ['word-search', 'pair-search'] as const

const FOLDER = new URL('../scanners/', import.meta.url)
const LINE = 110

/** The file that holds a module, as it stands in the repository. */
export async function generateModule(name: (typeof MODULES)[number]): Promise<string> {
  const { parseWat } = await wabt()
  const module = parseWat(`${name}.wat`, readFileSync(new URL(`${name}.wat`, FOLDER), 'utf8'))
  const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64')
  module.destroy()
  const lines = base64.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
  return [
    `/** Generated from ${name}.wat by scripts/web-assembly.ts; change that and run npm run web-assembly. Base64. */`,
    `export const ${name.toUpperCase().replace('-', '_')} =`,
    `${lines.map(line => `  '${line}'`).join(' +\n')}\n`,
  ].join('\n')
}

if (process.argv[1] === new URL(import.meta.url).pathname)
  for (const name of MODULES) writeFileSync(new URL(`${name}.ts`, FOLDER), await generateModule(name))
