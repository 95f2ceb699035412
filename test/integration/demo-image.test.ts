/** The image that ships with the project: the same things are found in it, and at the places that its README tells. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { lastValueFrom, toArray } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { hex, openTarget, type PatternSpec, scan } from '../../src/index.js'

const IMAGE = fileURLToPath(new URL('../../examples/guest.kdump', import.meta.url))
const README = fileURLToPath(new URL('../../examples/README.md', import.meta.url))

describe('the demo image', () => {
  it('is a kdump of 80 MiB and the firmware', async () => {
    using target = await openTarget(IMAGE)
    expect(target.format).toBe('kdump')
    expect(target.architecture).toBe('x86_64')
    expect(target.runs[0]).toEqual({ gpa: 0, length: 80 << 20 })
    expect(target.notes.vmcoreinfo).toContain('OSRELEASE=6.1')
  })

  it('holds its secrets where the README says', async () => {
    const found = await addresses([{ kind: 'text', text: 'vmsift-demo-', utf16: true }])
    const readme = await readFile(README, 'utf8')
    const told = [...readme.matchAll(/\b0x4[0-9a-f]{6}\b/g)].map(match => match[0])
    // One place in the table is told by the start of its URL, 46 bytes before the token.
    expect(new Set(found.map(at => (at === '0x4e7300a' ? '0x4e72fdc' : at)))).toEqual(new Set(told))
  })

  it('finds the URL that lies across two pages', async () => {
    const found = await addresses([
      { kind: 'text', text: 'https://shop.example.com/orders?id=4711&token=vmsift' },
    ])
    expect(found).toHaveLength(4)
    expect(found).toContain('0x4e72fdc')
  })
})

async function addresses(patterns: readonly PatternSpec[]): Promise<string[]> {
  using target = await openTarget(IMAGE)
  const events = await lastValueFrom(scan(target, { patterns, sort: true }).pipe(toArray()))
  const summary = events.at(-1)
  expect(summary).toMatchObject({ type: 'summary', complete: true, bytesUnread: 0 })
  return events.filter(event => event.type === 'match').map(match => hex(match.gpa!))
}
