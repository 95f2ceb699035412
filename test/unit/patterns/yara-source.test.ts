import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compileScan } from '../../../src/patterns/compile.js'
import { findIncludes, resolveIncludes } from '../../../src/patterns/yara-source.js'

describe('findIncludes', () => {
  it('finds statements outside of rules only', () => {
    const source = [
      '// include "comment"',
      '/* include "block" */ include "one.yar"',
      'rule a { meta: m = "include \\"string\\" }" strings: $a = /x\\/ { include "re" / $h = { 41 /* } */ 42 }',
      ' condition: any of them /* include "in rule" */ }',
      'include /* why */ "two.yar" rule includes { condition: true }',
    ].join('\n')
    expect(findIncludes(source).map(include => include.path)).toEqual(['one.yar', 'two.yar'])
  })
})

describe('resolveIncludes', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vmsift-yara-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const write = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }

  it('puts the included text in place, before the rules that use it', async () => {
    write('base.yar', 'import "math"\nprivate rule base { condition: filesize > 0 }')
    const source = 'include "base.yar"\nrule top { condition: base and math.min(1, 2) == 1 }'
    const path = write('top.yar', source)
    expect(resolveIncludes({ source, path }).map(piece => piece.text.trim().split(' ')[0])).toHaveLength(2)
    const scan = await compileScan([{ kind: 'yara', source, path }])
    expect(scan.yara?.sources).toHaveLength(2)
  })

  it('names file, line and column of an error in an included file', async () => {
    const inner = write('inner.yar', '\n\nrule inner { strings: $a = /a(?=b)/ condition: $a }')
    const source = 'include "inner.yar"'
    const path = write('outer.yar', source)
    await expect(compileScan([{ kind: 'yara', source, path }])).rejects.toMatchObject({
      code: 'bad-rule',
      message: expect.stringMatching(`^${inner}:3:30: invalid regular expression: look-around`),
    })
  })

  it('keeps line and column behind an include', async () => {
    write('inner.yar', 'rule inner { condition: true }')
    const source = '\n include "inner.yar" rule outer { condition: nothing }'
    const path = write('outer.yar', source)
    await expect(compileScan([{ kind: 'yara', source, path }])).rejects.toMatchObject({
      message: expect.stringContaining(`${path}:2:46: unknown identifier`),
    })
  })

  it('refuses a file that includes itself, and one that is not there', () => {
    const a = write('a.yar', 'include "b.yar"')
    write('b.yar', 'include "a.yar"')
    expect(() => resolveIncludes({ source: 'include "b.yar"', path: a })).toThrow(
      /b\.yar:1: include "a\.yar" includes itself/,
    )
    expect(() => resolveIncludes({ source: 'include "no.yar"', path: a })).toThrow(
      /a\.yar:1: include "no\.yar" can't be read: ENOENT/,
    )
  })
})
