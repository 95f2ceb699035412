/** `--define name=value`: external variables of YARA rules. */
import { VmsiftError } from '../core/errors.js'
import { isExternalName } from '../rules/names.js'
import type { External } from '../rules/scope.js'

const INTEGER = /^-?\d+$/
/** Longer ones are not looked at. */
const MAX_DIGITS = 100
const FLOAT = /^-?\d+\.\d*$/

/**
 * The variables of all `--define` options: `true` and `false` are booleans, digits an integer, digits with a point a float, all
 * else a text, as in YARA. Integers have 64 bits.
 * @throws VmsiftError `bad-argument` for what is no name and value, a name that is defined twice, and integers beyond 64 bits.
 */
export function parseExternals(definitions: readonly string[] = []): Record<string, External> {
  const externals = new Map<string, External>()
  for (const definition of definitions) {
    const equals = definition.indexOf('=')
    const name = definition.slice(0, Math.max(0, equals))
    if (equals < 0 || !isExternalName(name))
      throw wrong(definition, 'give a name and a value, like --define hour=12')
    if (externals.has(name)) throw wrong(definition, `"${name}" is defined already`)
    externals.set(name, externalOf(definition, definition.slice(equals + 1)))
  }
  return Object.fromEntries(externals)
}

function externalOf(definition: string, text: string): External {
  if (text === 'true' || text === 'false') return text === 'true'
  if (!INTEGER.test(text)) return FLOAT.test(text) ? Number(text) : text
  const value = text.length > MAX_DIGITS ? undefined : BigInt(text)
  if (value === undefined || BigInt.asIntN(64, value) !== value)
    throw wrong(definition, 'the integer has more than 64 bits')
  return value
}

function wrong(definition: string, why: string): VmsiftError {
  return new VmsiftError('bad-argument', `--define ${definition}: ${why}`, { detail: { definition } })
}
