/** Strings of YARA rules against the `yara` program: whatever the matcher, and however memory is cut. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { compileStrings } from '../../../src/patterns/compile-strings.js'
import { compileRules } from '../../../src/rules/compile.js'
import { Gathered } from '../../../src/rules/search/gather.js'
import type { StringTables } from '../../../src/rules/search/tables.js'
import { scanInWindows } from '../../helpers/rule-windows.js'
import { ruleData, ruleString } from '../../reference/arbitrary-rule-string.js'

const hasYara = spawnSync('yara', ['--version']).status === 0
/** `yara -L` tells how many bytes of a match it keeps. */
const KEPT = 512

type Found = Map<string, string[]>

describe.skipIf(!hasYara)(
  `strings of rules and yara${hasYara ? '' : ' (skipped: yara is not installed)'}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'vmsift-rules-'))
    afterAll(() => rmSync(folder, { recursive: true }))

    /** Undefined where yara fails: it has assertions of its own that do not hold. */
    function byYara(rules: string, bytes: Uint8Array): Found | undefined {
      writeFileSync(join(folder, 'r.yar'), rules)
      writeFileSync(join(folder, 'data'), bytes)
      const { status, stdout } = spawnSync(
        'yara',
        ['-w', '-s', '-L', join(folder, 'r.yar'), join(folder, 'data')],
        {
          encoding: 'latin1',
          maxBuffer: 2 ** 28,
        },
      )
      if (status !== 0) return undefined
      const found: Found = new Map()
      let rule = ''
      for (const line of stdout.split('\n')) {
        const match = /^0x([0-9a-f]+):(\d+):\$a: /.exec(line)
        if (match === null) rule = line.split(' ')[0] ?? ''
        else
          found.set(rule, [...(found.get(rule) ?? []), `${Number.parseInt(match[1] ?? '', 16)}:${match[2]}`])
      }
      return found
    }

    function scanned(tables: StringTables, bytes: Uint8Array, block: number): Gathered {
      const gathered = new Gathered(tables)
      const count = Math.ceil(bytes.length / block)
      const ends = Array.from({ length: count }, (_, i) => Math.min(bytes.length, (i + 1) * block))
      const read = (from: number, to: number): Uint8Array => bytes.slice(from, to)
      scanInWindows(tables, bytes.length, read, ends, (part, offset, length) =>
        gathered.add(part, offset, length),
      )
      return gathered
    }

    function check(strings: readonly string[], bytes: Uint8Array, block: number, matcher: string): void {
      const rules = strings.map(
        (value, at) => `rule r${at} { strings: $a = ${value} condition: $a or true }\n`,
      )
      const wanted = byYara(rules.join(''), bytes)
      if (wanted === undefined) return
      const { rules: compiled } = compileRules([{ source: rules.join('') }])
      const tables = compileStrings(
        compiled.flatMap(rule => rule.strings),
        matcher === 'embedded' ? 'embedded' : 'auto',
      )
      const found = scanned(tables, bytes, block + 1).finish(() => bytes.length)
      for (const { name, strings: own } of compiled) {
        const columns = found.get(own[0]?.id ?? -1)
        const told = Array.from(
          { length: columns?.count ?? 0 },
          (_, i) => `${columns?.offsetAt(i)}:${Math.min(KEPT, columns?.lengthAt(i) ?? 0)}`,
        )
        expect(told, rules[compiled.findIndex(rule => rule.name === name)]).toEqual(wanted.get(name) ?? [])
      }
    }

    it('match at the same offsets with the same lengths', () => {
      const cases = fc.array(ruleString, { minLength: 1, maxLength: 8 })
      fc.assert(fc.property(cases, ruleData, fc.nat(700), fc.constantFrom('vectorscan', 'embedded'), check), {
        numRuns: Number(process.env.VMSIFT_RULE_CASES ?? 60),
      })
    }, 240_000)

    // which of several atoms at one place comes first: their list is turned round for wide ones, and for letters of the other case
    const ATOMS = [
      '/([a-c]*?c|c[^a]{2}?)/',
      '/([a-c]*?C|c[^a]{2}?)/',
      '/(c[^a]{2}?|[a-c]*?c)/',
      '/(C[^a]{2}?|[a-c]+?c|(ac|c))/',
    ]
    // a group is not what stands in it: to a count, and where a long jump would cut a string
    const GROUPS = [
      '/(.)??/',
      '/(.){0,1}?/',
      '/(abc.{0,300}?def)/',
      '/abc(.{0,300}?)def/',
      '/abc(.){0,300}?def/',
    ]
    const OPEN = ['/.??/', '/abc.{0,300}?def/', '/(abc).{0,300}?(def)/', '/((a)b)?c/', '/(ab*)c/']
    const TEXT = `..c1b..C1B..ac1b..aC1b${'.'.repeat(320)}abc${'.'.repeat(320)}def abc${'.'.repeat(250)}def`

    it.each(['', ' wide', ' nocase', ' nocase wide', ' ascii wide', ' nocase ascii wide'])(
      'as libyara meets their atoms: with%s',
      modifiers => {
        const strings = [...ATOMS, ...GROUPS, ...OPEN].map(value => value + modifiers)
        check(strings, Buffer.from(TEXT), 3000, 'vectorscan')
        check(strings, Buffer.from(TEXT, 'utf16le'), 999, 'embedded')
      },
    )
  },
)
