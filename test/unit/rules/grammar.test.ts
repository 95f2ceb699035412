import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { generateParser } from '../../../scripts/grammar.js'

it('the parser in the repository is what its grammar gives (npm run grammar)', () => {
  const parser = readFileSync(new URL('../../../src/rules/grammar/parser.ts', import.meta.url), 'utf8')
  expect(parser).toBe(generateParser())
})
