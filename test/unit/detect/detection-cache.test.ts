import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cacheFolder } from '../../../src/coordinator/cache-folder.js'
import { DetectionCache } from '../../../src/coordinator/detection-cache.js'
import { imageIdentity } from '../../../src/coordinator/image-identity.js'
import { isSymbolFolder, symbolFileFor } from '../../../src/coordinator/symbol-choice.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmsift-cache-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const identity = (n: number): string => n.toString(16).padStart(64, '0')

describe('the cache on disk', () => {
  it('lies where the environment says', () => {
    expect(cacheFolder({ VMSIFT_CACHE: 'off', XDG_CACHE_HOME: '/x' })).toBeUndefined()
    expect(cacheFolder({ VMSIFT_CACHE: '/own', XDG_CACHE_HOME: '/x' })).toBe('/own')
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/vmsift')
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/\/\.cache\/vmsift$/)
    expect(cacheFolder({ VMSIFT_CACHE: '' })).toMatch(/\/\.cache\/vmsift$/)
  })

  it('gives back what was kept, to its owner only', () => {
    const at = join(folder, 'a', 'b')
    const cache = new DetectionCache(at)
    expect(cache.read('id')).toBeUndefined()
    cache.write('id', 'text')
    cache.write('id', 'newer')
    expect(cache.read('id')).toBe('newer')
    expect(readdirSync(at)).toEqual(['id.json'])
    expect([statSync(at).mode & 0o777, statSync(join(at, 'id.json')).mode & 0o777]).toEqual([0o700, 0o600])
  })

  it('is no error where nothing can be written', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const cache = new DetectionCache(join(file, 'below'))
    cache.write('id', 'text')
    expect(cache.read('id')).toBeUndefined()
    new DetectionCache('/proc/none/below').write('id', 'text')
    const none = new DetectionCache(undefined)
    none.write('id', 'text')
    expect(none.read('id')).toBeUndefined()
  })

  it('keeps the newest files only, and drops what a run that died left behind', () => {
    const at = join(folder, 'many')
    mkdirSync(at)
    for (let i = 0; i < 300; i++) {
      writeFileSync(join(at, `${identity(i)}.json`), '')
      utimesSync(join(at, `${identity(i)}.json`), 1000 + i, 1000 + i)
    }
    const left = `${identity(1)}.77.abc9.tmp`
    writeFileSync(join(at, left), '')
    utimesSync(join(at, left), 1000, 1000)
    new DetectionCache(at).write(identity(300), 'text')
    const names = readdirSync(at)
    expect(names).toHaveLength(256)
    expect(names).toContain(`${identity(300)}.json`)
    expect(names).toContain(`${identity(299)}.json`)
    expect(names).not.toContain(`${identity(0)}.json`)
    expect(names).not.toContain(left)
  })

  it("leaves a person's own files alone, however old and many they are", () => {
    const at = join(folder, 'shared')
    mkdirSync(at)
    const own = [
      'package.json',
      'draft.tmp',
      'x.1.tmp',
      ...Array.from({ length: 300 }, (_, i) => `case${i}.json`),
    ]
    for (const name of own) {
      writeFileSync(join(at, name), '')
      utimesSync(join(at, name), 1000, 1000)
    }
    new DetectionCache(at).write(identity(1), 'text')
    expect(readdirSync(at).sort()).toEqual([...own, `${identity(1)}.json`].sort())
  })

  it('reads files only: no pipe that nobody writes to, no device without an end, no folder', () => {
    const at = join(folder, 'odd')
    mkdirSync(join(at, `${identity(3)}.json`), { recursive: true })
    symlinkSync('/dev/zero', join(at, `${identity(2)}.json`))
    execFileSync('mkfifo', [join(at, `${identity(1)}.json`)])
    const cache = new DetectionCache(at)
    for (const i of [1, 2, 3]) expect(cache.read(identity(i))).toBeUndefined()
    for (const i of [1, 2]) cache.write(identity(i), 'text')
    for (const i of [1, 2]) expect(cache.read(identity(i))).toBe('text')
    cache.write(identity(3), 'text')
    expect(cache.read(identity(3))).toBeUndefined()
  })
})

describe("an image's identity", () => {
  const identityOf = (path: string, salt: readonly string[] = []) => {
    const fd = openSync(path, 'r')
    try {
      return imageIdentity(fd, path, salt)
    } finally {
      closeSync(fd)
    }
  }

  it('changes with content, times and options, and with nothing else', () => {
    const path = join(folder, 'image')
    const bytes = Buffer.alloc(1 << 20, 1)
    writeFileSync(path, bytes)
    const before = identityOf(path)
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    expect(identityOf(path)).toBe(before)
    expect(identityOf(path, ['raw'])).not.toBe(before)
    utimesSync(path, 5, 5)
    const dated = identityOf(path)
    expect(dated).not.toBe(before)
    bytes.fill(2)
    writeFileSync(path, bytes)
    utimesSync(path, 5, 5)
    expect(identityOf(path)).not.toBe(dated)
  })

  it('is told of files of any size', () => {
    for (const size of [0, 1, 4095, 4096, 4097, 70_000]) {
      const path = join(folder, `size${size}`)
      writeFileSync(path, Buffer.alloc(size, 7))
      expect(identityOf(path)).toMatch(/^[0-9a-f]{64}$/)
    }
  })
})

describe('choosing a symbol file out of a folder', () => {
  it('takes the one whose name holds the release, types before names only', async () => {
    const at = join(folder, 'symbols')
    mkdirSync(join(at, 'linux', 'debian'), { recursive: true })
    for (const name of [
      'System.map-6.1.0-1-amd64',
      'System.map-6.1.0-1-amd64-other',
      'System.map-16.1.0-1-amd64',
      'linux/debian/debian_6.1.0-1-amd64.json.xz',
      'linux/5.10.0-2-amd64.json',
    ])
      writeFileSync(join(at, name), '')
    expect(await symbolFileFor(at, '6.1.0-1-amd64')).toBe(
      join(at, 'linux/debian/debian_6.1.0-1-amd64.json.xz'),
    )
    expect(await symbolFileFor(at, '5.10.0-2-amd64')).toBe(join(at, 'linux/5.10.0-2-amd64.json'))
    expect(await symbolFileFor(at, '6.1.0-1')).toBeUndefined()
    expect(await symbolFileFor(at, '7.0')).toBeUndefined()
  })

  it('tells folders from files, and says what is missing', async () => {
    expect(await isSymbolFolder(folder)).toBe(true)
    const file = join(folder, 'plain')
    writeFileSync(file, '')
    chmodSync(file, 0o600)
    expect(await isSymbolFolder(file)).toBe(false)
    await expect(isSymbolFolder(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'target-not-found' })
  })
})
