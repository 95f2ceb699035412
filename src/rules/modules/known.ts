/** The modules whose functions have a meaning on memory; others are left to YARA-X. */
import { HASH } from './hash.js'
import { MATH } from './math.js'
import type { ModuleFunction, RuleModule } from './module.js'
import { STRING } from './string.js'

const TIME: RuleModule = {
  functions: { now: [{ takes: '', returns: 'integer', run: (_, { now }) => BigInt(now) }] },
}

/** YARA prints what it is given; here it is only true, so that the rules around it hold. */
const CONSOLE: RuleModule = {
  functions: {
    log: ['s', 'ss', 'i', 'si', 'f', 'sf'].map(takes => ({ takes, returns: 'integer', run: () => 1n })),
    hex: ['i', 'si'].map(takes => ({ takes, returns: 'integer', run: () => 1n })),
  },
}

export const MODULES: Readonly<Record<string, RuleModule>> = {
  math: MATH,
  hash: HASH,
  string: STRING,
  time: TIME,
  console: CONSOLE,
}

/** Modules of YARA and YARA-X that look into files of one format. */
export const FOREIGN_MODULES: readonly string[] = [
  'crx',
  'cuckoo',
  'dex',
  'dotnet',
  'elf',
  'lnk',
  'macho',
  'magic',
  'pe',
  'vt',
]

/** The function that takes these types; `name` is `math.entropy`. */
export function findFunction(name: string, takes: string): ModuleFunction | undefined {
  const [module = '', field = ''] = name.split('.')
  const functions = Object.hasOwn(MODULES, module) ? MODULES[module]?.functions : undefined
  const found = functions !== undefined && Object.hasOwn(functions, field) ? functions[field] : undefined
  return found?.find(one => one.takes === takes)
}
