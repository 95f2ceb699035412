/** Conditions that take long: who wants no more is heard while they are evaluated. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firstValueFrom } from 'rxjs'
import { afterAll, describe, expect, it } from 'vitest'
import { openTarget } from '../../../src/coordinator/target.js'
import { type ScanEvent, scan, scanIterable } from '../../../src/index.js'

const folder = mkdtempSync(join(tmpdir(), 'vmsift-rule-cancel-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const image = join(folder, 'image')
writeFileSync(image, Buffer.alloc(4096, '.needle'))

/** Together some minutes. */
const SOURCE = [
  'rule first { condition: true }',
  ...Array.from(
    { length: 2000 },
    (_, i) => `rule r${i} { condition: for all i in (0..300000) : (uint8(i % 7) >= 0 or i == ${i}) }`,
  ),
].join('\n')
const patterns = [
  { kind: 'yara' as const, source: SOURCE },
  { kind: 'text' as const, text: 'needle' },
]

describe('a scan whose rules take long to evaluate', () => {
  it('ends soon after it is cancelled, with a summary that says so', async () => {
    const hints: string[] = []
    const events: ScanEvent[] = []
    using target = await openTarget(image, { format: 'raw' })
    const controller = new AbortController()
    const request = { patterns, signal: controller.signal, onHint: (line: string) => hints.push(line) }
    for await (const event of scanIterable(target, request)) {
      // after the first match so small an image is searched at once
      if (events.push(event) === 1) setTimeout(() => controller.abort(), 2000)
    }
    expect(events.at(-1)).toMatchObject({ type: 'summary', complete: false, bytesScanned: 4096 })
    expect(hints[0]).toMatch(/^the scan was ended while rules were evaluated/)
  }, 60_000)

  it('ends when a loop over its events is left, or the first one was enough', async () => {
    using target = await openTarget(image, { format: 'raw' })
    for await (const event of scanIterable(target, { patterns })) if (event.type === 'match') break
    expect(await firstValueFrom(scan(target, { patterns }))).toMatchObject({ type: 'match' })
    const quick = { patterns: [{ kind: 'yara' as const, source: SOURCE.split('\n').slice(0, 3).join('\n') }] }
    for await (const event of scanIterable(target, quick)) if (event.type === 'rule') break
    expect(await firstValueFrom(scan(target, quick))).toMatchObject({ type: 'rule', rule: 'first' })
  }, 60_000)
})
