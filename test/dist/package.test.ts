import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const built = existsSync(join(root, 'dist/src/index.js'))

/** Runs a program that imports the package by its name, as a user's would, in a folder of its own. */
function runWithPackage(program: string, env: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'vmsift-package-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/vmsift'))
  symlinkSync(join(root, 'node_modules/rxjs'), join(folder, 'node_modules/rxjs'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'main.js'), program)
  return execFileSync(process.execPath, ['main.js'], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
}

const IMAGE = JSON.stringify(join(root, 'examples/guest.kdump'))

describe.skipIf(!built)('the built package (npm run build)', () => {
  it('is usable in ten lines with rxjs operators of the user', () => {
    const out = runWithPackage(`
      import { openTarget, scan } from 'vmsift'
      import { filter, finalize, take } from 'rxjs'
      const target = await openTarget(${IMAGE})
      scan(target, { patterns: [{ kind: 'text', text: 'vmsift-demo-' }], jobs: 1, sort: true })
        .pipe(filter(event => event.type === 'match'), take(2), finalize(() => target[Symbol.dispose]()))
        .subscribe(match => console.log(match.gpa.toString(16), Buffer.from(match.data).toString()))
    `)
    expect(out).toMatch(/^[0-9a-f]+ vmsift-demo-\n[0-9a-f]+ vmsift-demo-\n$/)
  })

  it('gives an observable that rxjs takes for one of its own', () => {
    const out = runWithPackage(`
      import { openTarget, scan } from 'vmsift'
      import { isObservable, lastValueFrom } from 'rxjs'
      const target = await openTarget(${IMAGE})
      const events = scan(target, { patterns: [{ kind: 'text', text: 'vmsift-demo-' }] })
      console.log(isObservable(events), (await lastValueFrom(events)).type)
      target[Symbol.dispose]()
    `)
    expect(out).toBe('true summary\n')
  })

  it('loads no native library and starts nothing when it is imported', () => {
    const out = runWithPackage(`
      import { readFileSync } from 'node:fs'
      import 'vmsift'
      const maps = readFileSync('/proc/self/maps', 'utf8')
      console.log(/koffi|libhs|yara|snappy/.test(maps), process.getActiveResourcesInfo().some(name => /MessagePort|Timeout/.test(name)))
    `)
    expect(out).toBe('false false\n')
  })

  it('works without FFI, by the portable reader and matcher, with the same answers', () => {
    const program = `
      import { openTarget, scanIterable } from 'vmsift'
      const target = await openTarget(${IMAGE})
      const found = []
      const patterns = [{ kind: 'text', text: 'vmsift-demo-', utf16: true }, { kind: 'regex', source: '[a-z.]+@example.com' }]
      for await (const event of scanIterable(target, { patterns, sort: true }))
        if (event.type === 'match') found.push([event.rule, event.gpa, event.length])
        else if (event.type === 'summary') found.push(process.env.VMSIFT_NO_FFI === '1' ? event.matcher.includes('embedded') : true)
      console.log(JSON.stringify(found))
      target[Symbol.dispose]()
    `
    const portable = runWithPackage(program, { VMSIFT_NO_FFI: '1' })
    expect(JSON.parse(portable).length).toBeGreaterThan(10)
    expect(portable).toBe(runWithPackage(program))
  })

  it('declares types for everything it exports', () => {
    const types = readFileSync(join(root, 'dist/src/index.d.ts'), 'utf8')
    for (const name of ['openTarget', 'scan', 'scanIterable', 'ScanRequest', 'VmsiftError'])
      expect(types).toContain(name)
  })
})
