import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { readInto } from '../../../src/core/memory.js'
import { mergeRuns } from '../../../src/core/runs.js'
import { DirectMemory, type FileAids } from '../../../src/drivers/direct-memory.js'
import { FileHoles } from '../../../src/drivers/file-holes.js'
import { FileMap, leaseOn } from '../../../src/drivers/file-map.js'
import { openMemory } from '../../../src/drivers/open.js'
import { PageCache } from '../../../src/drivers/page-cache.js'
import { tryLibc } from '../../../src/ffi/libc.js'
import { EXCLUDED_EXTENT, ZERO_EXTENT } from '../../../src/formats/image.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-direct-'))
const libc = tryLibc()
const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

function fileOf(bytes: Uint8Array): string {
  const path = join(folder, `image-${Math.random().toString(36).slice(2)}`)
  writeFileSync(path, bytes)
  return path
}

type Extent = readonly [gpa: number, length: number, offset: number]

function memoryOf(
  path: string,
  extents: readonly Extent[],
  mapped: boolean,
): { memory: DirectMemory; map?: FileMap } {
  const fd = openSync(path, 'r')
  const { size } = fstatSync(fd)
  const runs = mergeRuns(extents.map(([gpa, length]) => ({ gpa, length })))
  const table = {
    gpa: Float64Array.from(extents, extent => extent[0]),
    length: Float64Array.from(extents, extent => extent[1]),
    offset: Float64Array.from(extents, extent => extent[2]),
  }
  let aids: FileAids = {}
  if (libc !== undefined && mapped)
    aids = {
      map: new FileMap(libc, fd, leaseOn(libc, fd), { windowBytes: 1 << 16 }),
      holes: new FileHoles(libc, fd),
      cache: new PageCache(libc, fd, size),
    }
  const memory = new DirectMemory(runs, table, fd, () => fstatSync(fd).size, aids)
  open.push(() => {
    memory[Symbol.dispose]()
    closeSync(fd)
  })
  return aids.map === undefined ? { memory } : { memory, map: aids.map }
}

const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff)

for (const mapped of [false, true]) {
  describe.skipIf(mapped && libc === undefined)(`DirectMemory, ${mapped ? 'mapped' : 'copied'}`, () => {
    it('puts extents that touch in address but not in the file together', () => {
      const { memory } = memoryOf(
        fileOf(bytes),
        [
          [0x1000, 5000, 100_000],
          [0x1000 + 5000, 70_000, 7],
        ],
        mapped,
      )
      const target = new Uint8Array(75_000)
      expect(readInto(memory, 0x1000, target, 4096)).toEqual([])
      expect(Buffer.compare(target.subarray(0, 5000), bytes.subarray(100_000, 105_000))).toBe(0)
      expect(Buffer.compare(target.subarray(5000), bytes.subarray(7, 70_007))).toBe(0)
    })

    it('reads zero extents as zeros and stops at excluded ones', () => {
      const extents: Extent[] = [
        [0, 4096, 0],
        [4096, 4096, ZERO_EXTENT],
        [8192, 4096, EXCLUDED_EXTENT],
        [12288, 4096, 8192],
      ]
      const { memory } = memoryOf(fileOf(bytes), extents, mapped)
      const target = new Uint8Array(16384).fill(0xee)
      expect(readInto(memory, 0, target)).toEqual([{ gpa: 8192, length: 4096, reason: 'excluded' }])
      expect(target.subarray(4096, 8192).every(byte => byte === 0)).toBe(true)
      expect(target.subarray(8192, 12288).every(byte => byte === 0xee)).toBe(true)
      expect(Buffer.compare(target.subarray(12288), bytes.subarray(8192, 12288))).toBe(0)
      expect(memory.spanAt(0, 65536)).toEqual({ kind: 'data', length: 4096 })
      expect(memory.spanAt(4097, 65536)).toEqual({ kind: 'zero', length: 4095 })
      expect(memory.spanAt(8192, 100)).toEqual({ kind: 'gap', length: 100, reason: 'excluded' })
    })

    it('tells what a file that is too short does not hold, in one piece', () => {
      const { memory } = memoryOf(fileOf(bytes), [[0, 1_000_000, 0]], mapped)
      const { bytes: got, stop } = memory.window(299_000, 4096)
      expect(got.length).toBe(1000)
      expect(stop).toEqual({ reason: 'truncated', length: 700_000 })
    })

    it('refuses an address outside memory', () => {
      const { memory } = memoryOf(fileOf(bytes), [[0x1000, 4096, 0]], mapped)
      expect(() => memory.window(0, 16)).toThrowError(/no memory at 0x0/)
      expect(() => memory.window(0x1ff0, 32)).toThrowError(/no memory at/)
    })
  })
}

describe.skipIf(libc === undefined)('a file that changes while it is mapped', () => {
  it('lends views while the lease holds, and copies once somebody truncates the file', () => {
    const path = fileOf(bytes)
    const { memory, map } = memoryOf(path, [[0, bytes.length, 0]], true)
    expect(map?.usable()).toBe(true)
    expect(memory.window(0, 4096).bytes.buffer).not.toBe(memory.window(0, 200_000).bytes.buffer)
    // this thread would wait for itself: ask without waiting, as truncate(1) does, which starts the lease's breaking
    expect(() => openSync(path, 0o4001)).toThrowError(/EAGAIN|EWOULDBLOCK/)
    expect(memory.window(0, 4096).bytes[5]).toBe(bytes[5])
    expect(map?.usable()).toBe(false)
    truncateSync(path, 100)
    expect(memory.window(0, 4096)).toMatchObject({
      stop: { reason: 'truncated', length: bytes.length - 100 },
    })
  })

  it('does not map a file that is open for writing elsewhere', () => {
    const path = fileOf(bytes)
    const writer = openSync(path, 'r+')
    const { memory, map } = memoryOf(path, [[0, bytes.length, 0]], true)
    expect(map?.usable()).toBe(false)
    expect(memory.window(10, 4).bytes).toEqual(bytes.subarray(10, 14))
    ftruncateSync(writer, 12)
    expect(memory.window(10, 4).bytes).toEqual(bytes.subarray(10, 12))
    closeSync(writer)
  })

  it('knows file holes as zeros, without reading them', () => {
    const path = join(folder, 'sparse')
    const fd = openSync(path, 'w')
    writeSync(fd, Buffer.from('start'), 0, 5, 0)
    writeSync(fd, Buffer.from('end'), 0, 3, 2 ** 40)
    closeSync(fd)
    const { memory } = memoryOf(path, [[0, 2 ** 40 + 3, 0]], true)
    const first = memory.spanAt(0, 2 ** 41)
    expect(first.kind).toBe('data')
    expect(first.length).toBeLessThanOrEqual(1 << 20)
    const zeros = memory.spanAt(first.length, 2 ** 40 + 3 - first.length)
    expect(zeros.kind).toBe('zero')
    expect(first.length + zeros.length).toBeGreaterThan(2 ** 40 - (1 << 20))
    expect(memory.spanAt(2 ** 40, 3)).toEqual({ kind: 'data', length: 3 })
    expect(Buffer.from(memory.window(2 ** 40, 3).bytes).toString()).toBe('end')
  })
})

describe.skipIf(libc === undefined)('memory for one pass', () => {
  it('shows the same bytes, and lets go of the file when it is disposed', () => {
    const path = fileOf(bytes)
    const fd = openSync(path, 'r')
    const runs = [{ gpa: 0, length: bytes.length }]
    const extents = {
      gpa: Float64Array.of(0),
      length: Float64Array.of(bytes.length),
      offset: Float64Array.of(0),
    }
    using memory = openMemory({
      kind: 'file',
      path,
      fd,
      runs,
      storage: { kind: 'direct', extents },
      map: false,
    })
    const pass = memory.forPass?.()
    expect(pass).toBeDefined()
    expect(pass?.runs).toEqual(memory.runs)
    expect(pass?.window(100, 200_000).bytes).toEqual(memory.window(100, 200_000).bytes)
    const openForWriting = () => openSync(path, 0o4001)
    expect(openForWriting).toThrowError(/EAGAIN|EWOULDBLOCK/)
    pass?.[Symbol.dispose]()
    closeSync(openForWriting())
    expect(memory.window(5, 1).bytes[0]).toBe(bytes[5])
    // a pass has no other
    expect(pass?.forPass).toBeUndefined()
    closeSync(fd)
  })
})
