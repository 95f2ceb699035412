import { expect, it } from 'vitest'
import { VmsiftError } from '../../src/core/errors.js'
import { zstdInto } from '../../src/formats/codecs.js'
import { CAPTURED_ZSTD } from '../images/captured.js'
import { seeded } from '../images/runs.js'

it('ends at once on broken frames of a real encoder, where fzstd stalled a run for minutes', () => {
  const frame = Buffer.from(CAPTURED_ZSTD, 'base64')
  const target = new Uint8Array(4096)
  const next = seeded(3)
  const start = performance.now()
  for (let i = 0; i < 20_000; i++) {
    const broken = Buffer.from(frame)
    for (let left = 1 + (next() % 4); left > 0; left--) broken[9 + (next() % (frame.length - 9))] = next()
    try {
      zstdInto(broken, target)
    } catch (error) {
      if (!(error instanceof VmsiftError)) throw error
    }
  }
  expect(performance.now() - start).toBeLessThan(20_000)
})
