import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GapReason, MemoryRun, PhysicalMemory, Span, Window } from '../../src/core/memory.js'
import { findRun } from '../../src/core/runs.js'
import { type DumpFormat, type DumpResult, dumpMemory } from '../../src/export/dump.js'

const PAGE = 4096
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmsift-export-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Pages filled with a byte each; some are known gaps, some fail only when they are read. */
class FakeMemory implements PhysicalMemory {
  readonly runs: readonly MemoryRun[]
  readonly #known: ReadonlyMap<number, GapReason>
  readonly #failing: ReadonlySet<number>

  constructor(
    runs: readonly MemoryRun[],
    known: Iterable<[number, GapReason]> = [],
    failing: Iterable<number> = [],
  ) {
    this.runs = runs
    this.#known = new Map(known)
    this.#failing = new Set(failing)
  }

  spanAt(gpa: number, limit: number): Span {
    const length = Math.min(limit, PAGE - (gpa % PAGE))
    const reason = this.#known.get(gpa - (gpa % PAGE))
    return reason === undefined ? { kind: 'data', length } : { kind: 'gap', length, reason }
  }

  window(gpa: number, length: number): Window {
    const run = this.runs[findRun(this.runs, gpa)]!
    if (gpa + length > run.gpa + run.length) throw new Error('beyond the run')
    const bytes: number[] = []
    for (let at = gpa; at < gpa + length; at += PAGE) {
      if (this.#failing.has(at))
        return { bytes: Uint8Array.from(bytes), stop: { reason: 'unreadable', length: PAGE } }
      bytes.push(...new Array<number>(Math.min(PAGE, gpa + length - at)).fill(fill(at)))
    }
    return { bytes: Uint8Array.from(bytes) }
  }

  [Symbol.dispose](): void {}
}

const fill = (gpa: number) => 1 + ((gpa / PAGE) % 255)

let count = 0
async function dump(
  memory: PhysicalMemory,
  format: DumpFormat,
  vmcoreinfo?: string,
): Promise<DumpResult & { file: Buffer }> {
  const path = join(folder, `${count++}.${format}`)
  const result = await dumpMemory(memory, {
    path,
    format,
    replace: false,
    facts: { architecture: 'x86_64', vmcoreinfo },
  })
  if (result === undefined) throw new Error('aborted')
  return { ...result, file: readFileSync(path) }
}

interface Segment {
  readonly type: number
  readonly offset: number
  readonly gpa: number
  readonly length: number
}

function segments(file: Buffer): Segment[] {
  const tableAt = Number(file.readBigUInt64LE(32))
  const number = file.readUInt16LE(56)
  const sections = Number(file.readBigUInt64LE(40))
  const total = number === 0xffff ? file.readUInt32LE(sections + 44) : number
  return Array.from({ length: total }, (_, at) => {
    const base = tableAt + at * 56
    return {
      type: file.readUInt32LE(base),
      offset: Number(file.readBigUInt64LE(base + 8)),
      gpa: Number(file.readBigUInt64LE(base + 24)),
      length: Number(file.readBigUInt64LE(base + 32)),
    }
  })
}

const loads = (file: Buffer) => segments(file).filter(segment => segment.type === 1)

const RUN = { gpa: 0x10000, length: 8 * PAGE }
const EXCLUDED: [number, GapReason] = [0x12000, 'excluded']

describe('raw', () => {
  it('leaves zeros where memory is missing and tells it', async () => {
    const { file, gaps } = await dump(new FakeMemory([RUN], [EXCLUDED], [0x15000]), 'raw')
    expect(file.length).toBe(0x18000)
    expect([0x0, 0x10000, 0x12000, 0x15000, 0x16000].map(at => file[at])).toEqual([
      0,
      fill(0x10000),
      0,
      0,
      fill(0x16000),
    ])
    expect(gaps).toEqual([
      { gpa: 0x12000, length: PAGE, reason: 'excluded' },
      { gpa: 0x15000, length: PAGE, reason: 'unreadable' },
    ])
  })
})

describe('LiME', () => {
  it('splits ranges at what is missing', async () => {
    const { file, ranges } = await dump(new FakeMemory([RUN], [EXCLUDED], [0x15000]), 'lime')
    expect(ranges).toBe(3)
    const found: [number, number, number | undefined][] = []
    for (let at = 0; at < file.length; ) {
      expect(file.readUInt32LE(at)).toBe(0x4c694d45)
      const first = Number(file.readBigUInt64LE(at + 8))
      const last = Number(file.readBigUInt64LE(at + 16))
      found.push([first, last, file[at + 32]])
      at += 32 + last - first + 1
    }
    expect(found).toEqual([
      [0x10000, 0x11fff, fill(0x10000)],
      [0x13000, 0x14fff, fill(0x13000)],
      [0x16000, 0x17fff, fill(0x16000)],
    ])
  })
})

describe('ELF', () => {
  it('has a segment a range behind the header, and the VMCOREINFO note', async () => {
    const { file } = await dump(new FakeMemory([RUN], [EXCLUDED]), 'elf', 'OSRELEASE=6.1\n')
    expect(file.readUInt16LE(18)).toBe(62)
    expect(Number(file.readBigUInt64LE(32))).toBe(64)
    const note = segments(file).find(segment => segment.type === 4)!
    const text = file.subarray(note.offset, note.offset + note.length).toString('latin1')
    expect(text).toContain('VMCOREINFO\0')
    expect(text).toContain('OSRELEASE=6.1\n')
    for (const { offset, gpa } of loads(file)) {
      expect(file[offset]).toBe(fill(gpa))
      expect(offset % PAGE).toBe(gpa % PAGE)
    }
    expect(loads(file).map(({ gpa, length }) => [gpa, length])).toEqual([
      [0x10000, 2 * PAGE],
      [0x13000, 5 * PAGE],
    ])
  })

  it('moves the table to the end when reading fails in the middle of ranges', async () => {
    const { file, ranges } = await dump(new FakeMemory([RUN], [], [0x12000, 0x14000, 0x16000]), 'elf')
    expect(ranges).toBe(4)
    expect(loads(file).map(({ gpa, offset }) => file[offset] === fill(gpa))).toEqual([true, true, true, true])
  })

  it('counts more than 65534 segments in section 0', async () => {
    const runs = Array.from({ length: 70_000 }, (_, at) => ({ gpa: at * 2 * PAGE, length: 16 }))
    const { file } = await dump(new FakeMemory(runs), 'elf')
    expect(file.readUInt16LE(56)).toBe(0xffff)
    const all = loads(file)
    expect(all).toHaveLength(70_000)
    expect(file[all[69_999]!.offset]).toBe(fill(69_999 * 2 * PAGE))
  })
})

it('leaves no temporary file behind, not when it is aborted either', async () => {
  const before = readdirSync(folder)
  const result = await dumpMemory(new FakeMemory([RUN]), {
    path: join(folder, 'aborted.lime'),
    format: 'lime',
    replace: false,
    facts: { architecture: undefined, vmcoreinfo: undefined },
    signal: AbortSignal.abort(),
  })
  expect(result).toBeUndefined()
  expect(readdirSync(folder)).toEqual(before)
  expect(before.filter(name => name.endsWith('.tmp'))).toEqual([])
})
