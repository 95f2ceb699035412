/** `--define name=value`: external variables of YARA rules. */
import { VmsiftError } from '../core/errors.js'
import { isExternalName } from '../rules/names.js'
import type { External } from '../rules/scope.js'

const INTEGER = /^-?\d+$/
const FLOAT = /^-?\d+\.\d+$/

/**
 * The variables of all `--define` options: `true` and `false` are booleans, digits an integer, digits with a point a float, all
 * else a text, as in YARA.
 * @throws VmsiftError `bad-argument`
 */
export function parseExternals(definitions: readonly string[] = []): Record<string, External> {
  const externals: Record<string, External> = {}
  for (const definition of definitions) {
    const equals = definition.indexOf('=')
    const name = definition.slice(0, Math.max(0, equals))
    if (equals < 0 || !isExternalName(name))
      throw new VmsiftError(
        'bad-argument',
        `--define ${definition}: give a name and a value, like --define hour=12`,
        { detail: { definition } },
      )
    externals[name] = externalOf(definition.slice(equals + 1))
  }
  return externals
}

function externalOf(text: string): External {
  if (text === 'true' || text === 'false') return text === 'true'
  if (INTEGER.test(text)) return BigInt.asIntN(64, BigInt(text))
  return FLOAT.test(text) ? Number(text) : text
}
