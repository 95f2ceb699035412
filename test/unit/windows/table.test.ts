import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PROCESS_ROWS, rowsFor } from '../../../src/os/windows/layout/by-build.js'
import { addConstants } from '../../../src/os/windows/layout/constants.js'
import { FactTypes } from '../../../src/os/windows/layout/facts.js'
import { addTable } from '../../../src/os/windows/layout/process-layout.js'
import { loadSymbolFile } from '../../../src/symbols/load.js'
import { WINDOWS_DATA } from '../../helpers/windows-data.js'

const OFFSETS = join(WINDOWS_DATA, 'offsets')
const ISF = join(WINDOWS_DATA, 'isf/ntkrnlmp.pdb')

describe('the table of known builds', () => {
  it('has rows whose members are where pointers can be', () => {
    for (const { machine, UniqueProcessId, Peb, VadRoot, more } of PROCESS_ROWS)
      for (const offset of [UniqueProcessId, Peb, VadRoot ?? 0, ...Object.values(more)])
        expect(offset % (machine === 'x86' ? 4 : 8)).toBe(0)
  })

  it('gives the rows of a build first, then those of the nearest builds', () => {
    expect(rowsFor('x64', 19044)[0]?.builds).toEqual([19041, 19045])
    expect(rowsFor('x64', 9600)[0]?.builds).toEqual([9600, 9600])
    expect(rowsFor('x64', 26100)[0]?.builds[1]).toBe(22631)
    expect(
      rowsFor('x86', 3790)
        .slice(0, 2)
        .map(row => row.UniqueProcessId)
        .sort(),
    ).toEqual([0x84, 0x94])
  })

  it.skipIf(!existsSync(OFFSETS))('agrees with tables generated from PDBs', () => {
    const lines = readFileSync(join(OFFSETS, 'process-offsets-by-build.tsv'), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
    expect(lines.length).toBeGreaterThan(40)
    for (const line of lines) {
      const [build = '', , , pid, , name, peb, vad] = line.split('\t')
      const machine = build.includes('x64') ? 'x64' : 'x86'
      const wanted = [pid, name, peb, vad].map(Number)
      const known = PROCESS_ROWS.some(
        row =>
          row.machine === machine &&
          [row.UniqueProcessId, row.ImageFileName, row.Peb, row.VadRoot].every(
            (offset, i) => offset === wanted[i],
          ),
      )
      expect({ build, known }).toEqual({ build, known: true })
    }
  })

  it.skipIf(!existsSync(ISF))('agrees with symbol tables of the builds it names them for', async () => {
    // each file is some build of a row that gives isf as a source: one row must agree in every member
    const files = readdirSync(ISF).filter(name => name.endsWith('.xz'))
    const rows = PROCESS_ROWS.filter(row => row.machine === 'x64' && row.sources.includes('isf'))
    for (const file of files.slice(0, 4)) {
      const { types } = await loadSymbolFile(join(ISF, file))
      const fits = rows.some(row =>
        Object.entries({
          UniqueProcessId: row.UniqueProcessId,
          Peb: row.Peb,
          VadRoot: row.VadRoot,
          ...row.more,
        }).every(([name, offset]) => types?.member('_EPROCESS', name)?.offset === offset),
      )
      expect({ file, fits }).toEqual({ file, fits: true })
    }
  })
})

describe('a kernel of 5.2, given neither profile nor symbol file', () => {
  const told = (id: number) => {
    const facts = new FactTypes()
    facts.add('_EPROCESS', 'UniqueProcessId', { offset: id, bytes: 4 }, 'accessor PsGetProcessId')
    const disagreements = addTable(facts, { major: 5, minor: 2, build: 3790, machine: 'x86' })
    addConstants(facts, { major: 5, minor: 2, build: 3790, machine: 'x86' })
    return { facts, disagreements }
  }

  it('has the layout of its service pack, told by its own code', () => {
    const { facts, disagreements } = told(0x94)
    expect(disagreements).toEqual([])
    expect(facts.member('_EPROCESS', 'ObjectTable')?.offset).toBe(0xd4)
    // the tree of mappings hangs below a node of its own
    expect(facts.member('_EPROCESS', 'VadRoot.BalancedRoot.RightChild')?.offset).toBe(0x258)
    expect(facts.member('_MMVAD_SHORT', 'StartingVpn')?.offset).toBe(0xc)
    const first = told(0x84).facts
    expect(first.member('_EPROCESS', 'VadRoot')?.offset).toBe(0x258)
    // without one it has the same tree, and the flags of 5.1
    expect(first.member('_EPROCESS', 'VadRoot.BalancedRoot.RightChild')?.offset).toBe(0x260)
    expect(first.member('_MMVAD_SHORT', 'StartingVpn')?.offset).toBe(0xc)
    expect(first.member('_MMVAD_SHORT', 'ImageMap')?.bits).toEqual({ first: 4, count: 1 })
    expect(first.member('_MMVAD_SHORT', 'VadType')).toBeUndefined()
  })

  it('takes nothing from a row that its code contradicts, and says so', () => {
    const { facts, disagreements } = told(0x90)
    expect(disagreements[0]).toMatch(/UniqueProcessId: 0x90 by accessor PsGetProcessId, 0x84 by the table/)
    expect(facts.member('_EPROCESS', 'ObjectTable')).toBeUndefined()
  })
})

describe('a build whose updates moved a member', () => {
  const told = (build: number, machine: 'x86' | 'x64') => {
    const facts = new FactTypes()
    addTable(facts, { major: 10, minor: 0, build, machine })
    return (name: string) => facts.member('_EPROCESS', name)?.offset
  }

  it('is told what all of them have, and the rest is left to code and data', () => {
    const narrow = told(10240, 'x86')
    expect(narrow('ObjectTable')).toBe(0x154)
    expect(narrow('VadRoot')).toBeUndefined()
    expect(told(14393, 'x64')('ObjectTable')).toBe(0x418)
    expect(told(14393, 'x64')('ExitTime')).toBeUndefined()
    expect(told(14393, 'x86')('VadRoot')).toBe(0x28c)
  })
})
