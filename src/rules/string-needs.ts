/** What a condition needs of its strings, told without evaluating the rest: `4 of ($s*) and pe.is_pe` needs four of them. */
import type { Expression, OfItems, Quantifier, StringReference } from './ast.js'

/**
 * Whether a condition may hold where only the strings are found that `mayBeFound` says, by their index in the rule; what is not about
 * whether strings are found counts as true.
 */
export function mayHoldWith(condition: Expression, mayBeFound: (string: number) => boolean): boolean {
  switch (condition.kind) {
    case 'boolean':
      return condition.value
    case 'and':
      return condition.items.every(item => mayHoldWith(item, mayBeFound))
    case 'or':
      return condition.items.some(item => mayHoldWith(item, mayBeFound))
    case 'found':
      return isFound(condition.string, mayBeFound)
    case 'of':
      return isEnough(condition.quantifier, condition.items, mayBeFound)
    default:
      return true
  }
}

/** Where it must be found does not matter: it must be found. */
function isFound(string: StringReference, mayBeFound: (string: number) => boolean): boolean {
  return string.kind === 'loop' || mayBeFound(string.index)
}

function isEnough(quantifier: Quantifier, items: OfItems, mayBeFound: (string: number) => boolean): boolean {
  if (items.kind !== 'strings') return true
  const { strings } = items
  switch (quantifier.kind) {
    case 'any':
      return strings.some(mayBeFound)
    case 'all':
      return strings.every(mayBeFound)
    case 'count': {
      const { value } = quantifier
      return value.kind !== 'integer' || BigInt(strings.filter(mayBeFound).length) >= value.value
    }
    default:
      return true
  }
}
