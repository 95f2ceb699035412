import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { generateModule, MODULES } from '../../../scripts/web-assembly.js'

it.each(MODULES)('%s in the repository is what its text gives (npm run web-assembly)', async name => {
  const module = readFileSync(new URL(`../../../scanners/${name}.ts`, import.meta.url), 'utf8')
  expect(module).toBe(await generateModule(name))
})
