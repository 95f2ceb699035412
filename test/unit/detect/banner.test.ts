import { describe, expect, it } from 'vitest'
import { findBanners, parseBanner } from '../../../src/os/linux/detect/banner.js'
import { FlatMemory } from '../../images/flat-memory.js'

const TEXT = 'Linux version 6.1.0-1-amd64 (who@where) (gcc 12) #1 SMP PREEMPT Debian'

describe("the kernel's banner", () => {
  it('is a line with a release, and a NUL behind it', () => {
    expect(parseBanner(Buffer.from(`${TEXT}\n\0rest`))).toEqual({ text: TEXT, release: '6.1.0-1-amd64' })
    for (const wrong of [
      TEXT,
      `${TEXT}\n`,
      `${TEXT}\0`,
      `Linux version %s (\n\0`,
      `${TEXT.replace('#1', '#')}\n\0`,
      `Linux version \n\0`,
      ` ${TEXT}\n\0`,
      '',
    ])
      expect(parseBanner(Buffer.from(wrong)), wrong).toBeUndefined()
  })

  it('is found across windows, and not in copies that look different', () => {
    const bytes = Buffer.alloc(9 << 20, 0x20)
    const places = [0, (4 << 20) - 5, (8 << 20) + 17]
    for (const at of places) bytes.write(`${TEXT}\n\0`, at)
    bytes.write(`${TEXT}\n`, 1 << 20)
    bytes.write(TEXT, bytes.length - TEXT.length)
    const memory = new FlatMemory(bytes)
    expect(findBanners(memory, memory.runs).map(({ gpa }) => gpa)).toEqual(places)
  })
})
