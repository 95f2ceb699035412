import { closeSync, fstatSync, mkdtempSync, openSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeRuns, totalBytes } from '../../src/core/runs.js'
import { DirectMemory } from '../../src/drivers/direct-memory.js'
import { FileHoles } from '../../src/drivers/file-holes.js'
import { FileMap, leaseOn } from '../../src/drivers/file-map.js'
import { tryLibc } from '../../src/ffi/libc.js'
import { EXCLUDED_EXTENT, ZERO_EXTENT } from '../../src/formats/image.js'
import { compileScan } from '../../src/patterns/compile.js'
import { scanInProcess } from '../helpers/in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-loop-'))
const path = join(folder, 'image')
const FILE_BYTES = 8192

/** Memory as a list of pieces: how much, what, and how far behind the last one. */
const pieces = fc.array(
  fc.record({
    length: fc.integer({ min: 1, max: 700 }),
    hole: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 90 })),
    kind: fc.oneof(
      { weight: 5, arbitrary: fc.constant('data') },
      fc.constantFrom('data', 'zero', 'excluded', 'short'),
    ),
    offset: fc.integer({ min: 0, max: FILE_BYTES - 700 }),
  }),
  { minLength: 1, maxLength: 9 },
)

const hexDigit = fc.constantFrom('61', '62', '6?', '?1', '00', '??')
const patterns = fc.array(
  fc.oneof(
    fc
      .string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 9 })
      .map(text => ({ kind: 'text', text }) as const),
    fc
      .array(hexDigit, { minLength: 1, maxLength: 8 })
      .map(digits => ({ kind: 'bytes', hex: digits.join(' ') }) as const),
  ),
  { minLength: 1, maxLength: 4 },
)

const content = fc.array(fc.constantFrom(0x61, 0x61, 0x62, 0x62, 0), { minLength: 64, maxLength: 64 })

/** Does the pattern match at this place? Written without any of the engine's own code. */
function matchesAt(
  bytes: (number | undefined)[],
  at: number,
  pattern: { kind: string; text?: string; hex?: string },
): number {
  const tokens =
    pattern.kind === 'text'
      ? [...Buffer.from(pattern.text ?? '')].map(byte => byte.toString(16).padStart(2, '0'))
      : (pattern.hex ?? '').split(' ')
  for (const [index, token] of tokens.entries()) {
    const byte = bytes[at + index]
    if (byte === undefined) return -1
    const digits = byte.toString(16).padStart(2, '0')
    for (const half of [0, 1]) if (token[half] !== '?' && token[half] !== digits[half]) return -1
  }
  return tokens.length
}

describe('the block loop', () => {
  it('reports every match exactly once, accounts for every byte, and never matches across a hole or a gap', async () => {
    const shape = fc.record({
      pieces,
      patterns,
      content,
      blockBytes: fc.integer({ min: 1, max: 300 }),
      partitionBytes: fc.integer({ min: 1, max: 2000 }),
      contextBytes: fc.constantFrom(0, 0, 5),
      mapped: fc.boolean(),
    })
    const property = fc.asyncProperty(shape, async ({ pieces, patterns, content, mapped, ...cut }) => {
      const file = Uint8Array.from(
        { length: FILE_BYTES },
        (_, at) => content[(at * 31 + (at >> 5)) % 64] as number,
      )
      writeFileSync(path, file)
      const fd = openSync(path, 'r')
      const size = fstatSync(fd).size
      const image: (number | undefined)[] = []
      const extents: [number, number, number][] = []
      let at = 17
      let unread = 0
      for (const piece of pieces) {
        at += piece.hole
        // a piece that is cut short by the end of the file: what lies behind it is missing
        const offset = piece.kind === 'short' ? size - Math.floor(piece.length / 2) : piece.offset
        const place =
          piece.kind === 'zero' ? ZERO_EXTENT : piece.kind === 'excluded' ? EXCLUDED_EXTENT : offset
        extents.push([at, piece.length, place])
        for (let index = 0; index < piece.length; index++) {
          const byte =
            place === ZERO_EXTENT ? 0 : place === EXCLUDED_EXTENT ? undefined : file[offset + index]
          if (byte === undefined) unread++
          else image[at + index] = byte
        }
        at += piece.length
      }
      const table = {
        gpa: Float64Array.from(extents, extent => extent[0]),
        length: Float64Array.from(extents, extent => extent[1]),
        offset: Float64Array.from(extents, extent => extent[2]),
      }
      const runs = mergeRuns(extents.map(([gpa, length]) => ({ gpa, length })))
      const libc = mapped ? tryLibc() : undefined
      const aids =
        libc === undefined
          ? {}
          : { map: new FileMap(libc, fd, leaseOn(libc, fd)), holes: new FileHoles(libc, fd) }
      const memory = new DirectMemory(runs, table, fd, () => size, aids)
      const found = scanInProcess(memory, await compileScan(patterns, {}), cut)
      memory[Symbol.dispose]()
      closeSync(fd)

      const expected: string[] = []
      for (const pattern of patterns)
        for (let start = 0; start < at; start++) {
          const length = matchesAt(image, start, pattern)
          if (length > 0)
            expected.push(`${pattern.kind === 'text' ? pattern.text : pattern.hex} ${start} ${length}`)
        }
      expect(found.matches.map(match => `${match.rule} ${match.gpa} ${match.length}`).sort()).toEqual(
        [...new Set(expected)].sort(),
      )
      for (const match of found.matches)
        expect([...match.data]).toEqual(image.slice(match.gpa!, match.gpa! + match.length))
      expect(totalBytes(found.gaps)).toBe(unread)
      expect(found.scannedBytes + unread).toBe(totalBytes(runs))
    })
    await fc.assert(property, { numRuns: 400 })
  }, 120_000)
})
