import { describe, expect, it } from 'vitest'
import { loadYara } from '../../../src/patterns/yara-runtime.js'
import type { FileKind } from '../../../src/rules/ast.js'
import { compileRules } from '../../../src/rules/compile.js'
import { GuardChecks, type GuardSpace } from '../../../src/rules/guard-checks.js'
import { guardsOf } from '../../../src/rules/guards.js'

const STRINGS = '$a = "aaaa" $b = "bbbb"'
const IMPORTS = 'import "pe" import "elf" import "math" '

/** Conditions that hold of files only: what guards are derived from. */
const OF_FILES: readonly (readonly [FileKind, string])[] = [
  ['pe', '$a at pe.entry_point'],
  ['pe', '$a at pe.entry_point + 2'],
  ['pe', '$a in (pe.entry_point..pe.entry_point + 100)'],
  ['pe', '$a in (0..pe.size_of_image)'],
  ['pe', 'any of them at pe.entry_point'],
  ['pe', 'all of ($a, $b) in (0..pe.entry_point)'],
  ['pe', 'for any of ($*) : ($ at pe.entry_point)'],
  ['pe', 'for all of ($a, $b) : ($ at pe.entry_point and # > 0)'],
  ['pe', 'pe.is_pe'],
  ['pe', 'pe.is_dll()'],
  ['pe', 'pe.is_32bit() or pe.is_64bit()'],
  ['pe', 'pe.exports("x")'],
  ['pe', 'pe.exports(/x/)'],
  ['pe', 'pe.exports(1)'],
  ['pe', 'pe.imports("k.dll")'],
  ['pe', 'pe.imports("k.dll", "f")'],
  ['pe', 'pe.imports("k.dll", 1)'],
  ['pe', 'pe.imports(/k/, /f/) == 0 and pe.imphash() != ""'],
  ['pe', 'pe.imphash() == "d41d8cd98f00b204e9800998ecf8427e"'],
  ['pe', 'pe.section_index(".text") >= 0'],
  ['pe', 'pe.number_of_sections == 0'],
  ['pe', 'pe.number_of_sections != 5'],
  ['pe', 'pe.number_of_signatures < 1'],
  ['pe', 'pe.timestamp > 0 or pe.checksum <= 0'],
  ['pe', 'pe.machine == pe.MACHINE_AMD64'],
  ['pe', 'pe.characteristics & pe.DLL == 0'],
  ['pe', 'pe.sections[0].name == ".text"'],
  ['pe', 'pe.sections[0].raw_data_size == 0'],
  ['pe', 'pe.version_info["a"] contains ""'],
  ['pe', 'pe.rich_signature.key == 0'],
  ['pe', 'pe.linker_version.major >= 0'],
  ['pe', 'uint8(pe.entry_point) >= 0'],
  ['pe', '-pe.entry_point < 1'],
  ['elf', 'elf.type == elf.ET_EXEC'],
  ['elf', 'elf.machine != 3'],
  ['elf', '$a at elf.entry_point'],
  ['elf', 'elf.sections[0].name != "x"'],
  ['elf', 'elf.number_of_sections >= 0'],
]

/** What else may hold. */
const OTHERS = [
  'not pe.is_pe',
  'pe.no_such_field == 3',
  'for none of ($*) : ($ at pe.entry_point)',
  'for 0 of ($*) : ($ at pe.entry_point)',
  'for any of ($*) : ($ at pe.entry_point or # > 0)',
  'none of them at pe.entry_point',
  '0 of them at pe.entry_point',
  'pe.MACHINE_AMD64 == 0x8664',
  'pe.imports("k.dll") == 0',
  'pe.is_pe == 0',
  'not defined pe.entry_point',
  'pe.is_pe or $a',
  'for all section in pe.sections : (section.name == "x")',
  'pe.sections.len() == 0',
]

function guardHolds(condition: string, begin: string): boolean {
  const guards = guardsOf(
    compileRules([
      { source: `${IMPORTS}rule r { strings: ${STRINGS} condition: (${condition}) and any of them }` },
    ]),
  )
  const guard = guards.guard[0] ?? -1
  const bytes = Buffer.from(begin, 'latin1')
  const space: GuardSpace = {
    filesize: 4096n,
    read: (offset, length) => bytes.subarray(Number(offset), Number(offset) + length),
  }
  return guard < 0 || new GuardChecks(guards).mayHold(guard, space)
}

/** Whether YARA-X says that it holds of these bytes. */
function holdsInYaraX(condition: string, bytes: Uint8Array): boolean {
  const { Compiler } = loadYara()
  const compiler = new Compiler()
  compiler.addSource(`${IMPORTS}rule r { strings: ${STRINGS} condition: (${condition}) and any of them }`)
  const rules = compiler.build()
  const scanner = rules.scanner()
  const { matches } = scanner.scan(bytes) as { matches: readonly unknown[] }
  scanner.free()
  rules.free()
  compiler.free()
  return matches.length > 0
}

describe('what modules tell of files', () => {
  it.each(OF_FILES)('of %s: %s', (file, condition) => {
    expect(guardHolds(condition, 'aaaa')).toBe(false)
    expect(guardHolds(condition, file === 'pe' ? 'MZ..' : '\x7fELF')).toBe(true)
    for (const begin of [
      '',
      'aaaabbbb',
      '\0\0\0\0',
      file === 'pe' ? '\x7fELF\x02\x01\x01' : 'MZ',
      'ZM',
      '\x7fELG',
    ])
      expect(holdsInYaraX(condition, Buffer.from(`${begin}${'\0'.repeat(200)}aaaa bbbb`, 'latin1'))).toBe(
        false,
      )
  })

  it.each(OTHERS)('%s may hold of anything', condition => {
    expect(guardHolds(condition, 'aaaa')).toBe(true)
  })

  it('a variable may be called like a module', () => {
    expect(guardHolds('for any pe in pe.sections : (pe.name != "x") or $a', 'aaaa')).toBe(true)
  })
})
