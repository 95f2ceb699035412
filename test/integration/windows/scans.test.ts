/** Scans of a Windows guest's virtual memory: what processes and the kernel hold, and what is not in memory. */
import { lastValueFrom, toArray } from 'rxjs'
import { afterAll, describe, expect, it } from 'vitest'
import { openTarget, type ScanRequest, scan } from '../../../src/index.js'
import { outcomeOf } from '../../helpers/scan-events.js'
import { GuestFiles } from './guests.js'

const files = new GuestFiles()
afterAll(() => files[Symbol.dispose]())

async function scanned(path: string, request: ScanRequest) {
  using target = await openTarget(path)
  return outcomeOf(await lastValueFrom(scan(target, request).pipe(toArray())))
}

describe.each(['10-19041-x64', '7-sp1-x64', '7-sp1-x86', 'xp-sp2-x86'] as const)('a scan of %s', name => {
  const { path, guest } = files.write(name)
  const { truth } = guest
  const notepad = truth.processes.find(process => process.name === 'notepad.exe')!
  const explorer = truth.processes.find(process => process.name === 'explorer.exe')!
  const there = notepad.pages.filter(({ gpa, kind }) => gpa !== undefined && kind !== 'large')

  it('finds what stands in pages of every kind that is in memory', async () => {
    const { matches, gaps } = await scanned(path, {
      patterns: [{ kind: 'regex', source: 'page of kind [0-9]+ ' }],
      space: { pid: notepad.pid },
      sort: true,
    })
    const first = new Map(matches.map(match => [(match.va ?? 0n) & ~0xfffn, match]))
    expect([...first.keys()].sort()).toEqual(there.map(({ va }) => va).sort())
    for (const { va, gpa } of there)
      expect((first.get(va)?.gpa ?? 0) - ((first.get(va)?.gpa ?? 0) % 4096)).toBe(gpa)
    const swapped = gaps.filter(({ reason }) => reason === 'swapped').map(({ va }) => va)
    expect(swapped).toEqual(
      notepad.pages.filter(({ pageFile }) => pageFile !== undefined).map(({ va }) => va),
    )
  })

  it('finds text of a PEB in its process only', async () => {
    const text = Buffer.from('ü notes.txt', 'utf16le').toString('hex')
    const { matches } = await scanned(path, { patterns: [{ kind: 'bytes', hex: text }], space: 'processes' })
    expect(matches.map(({ pid }) => pid)).toEqual([notepad.pid])
  })

  it('finds the text of a process that is hidden from the list, and tells it as the owner', async () => {
    const hidden = truth.processes.find(process => process.name === 'hidden.exe')!
    const patterns = [
      { kind: 'bytes' as const, hex: Buffer.from(hidden.imagePath!, 'utf16le').toString('hex') },
    ]
    const inSpaces = await scanned(path, { patterns, space: 'processes' })
    expect(new Set(inSpaces.matches.map(({ pid }) => pid))).toEqual(new Set([hidden.pid]))
    const inMemory = await scanned(path, { patterns, owners: true })
    const owners = inMemory.matches.flatMap(match => match.owners ?? [])
    expect(owners.map(({ process }) => process)).toContain('hidden.exe')
  })

  it('finds the kernel in its space, once', async () => {
    const { matches } = await scanned(path, {
      patterns: [{ kind: 'text', text: 'PsGetProcessInheritedFromUniqueProcessId' }],
      space: 'kernel',
    })
    expect(matches).toHaveLength(1)
    expect(matches[0]?.va).toBeGreaterThan(truth.kernelBase)
  })

  it('tells the owners of a match in physical memory', async () => {
    const { matches } = await scanned(path, {
      patterns: [{ kind: 'bytes', hex: Buffer.from(explorer.imagePath!, 'utf16le').toString('hex') }],
      owners: true,
    })
    const owners = matches.flatMap(match => match.owners ?? [])
    expect(owners.map(({ pid }) => pid)).toContain(explorer.pid)
    expect(owners.every(({ pid }) => pid === explorer.pid)).toBe(true)
  })
})
