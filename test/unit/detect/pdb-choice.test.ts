import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { symbolFileForPdb } from '../../../src/coordinator/symbol-choice.js'

const GUID = '5278AFF86C341677D7D7835C85B7B844'
const OTHER = '06564D3477822C7D97F04852CBD5AFD6'

let folder: string
const put = (path: string): string => {
  const whole = join(folder, path)
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, '{}')
  return whole
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmsift-pdb-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

it('finds the file of a PDB by its GUID, as Volatility 3 and Rekall name them, of the same age first', async () => {
  const find = (guid: string, age: number) => symbolFileForPdb(folder, { name: 'ntkrnlmp.pdb', guid, age })
  expect(await find(GUID, 1)).toBeUndefined()
  put(`windows/ntkrnlmp.pdb/${OTHER}-1.json.xz`)
  put(`windows/ntkrnlmp.pdb/${GUID}0-1.json.xz`)
  put(`windows/ntkrnlmp.pdb/${GUID}-1.pdb`)
  expect(await find(GUID, 1)).toBeUndefined()
  const rekall = put(`rekall/ntkrnlmp.pdb.${GUID.toLowerCase()}1.rekall.json`)
  expect(await find(GUID, 1)).toBe(rekall)
  const other = put(`windows/win32k.pdb/${GUID}-2.json`)
  expect(await find(GUID, 2)).toBe(other)
  const exact = put(`windows/ntkrnlmp.pdb/${GUID}-2.json.xz`)
  expect(await find(GUID, 2)).toBe(exact)
  expect(await find('5278aff8-6c34-1677-d7d7-835c85b7b844', 10)).toBe(rekall)
})
