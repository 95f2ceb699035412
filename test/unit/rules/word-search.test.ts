import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { generateWordSearch } from '../../../scripts/word-search.js'

it('the search for words in the repository is what its text gives (npm run word-search)', async () => {
  const module = readFileSync(new URL('../../../scanners/word-search.ts', import.meta.url), 'utf8')
  expect(module).toBe(await generateWordSearch())
})
