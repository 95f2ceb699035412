/** Patterns as normalised regular expressions that Vectorscan (and PCRE, with DOTALL) reads: `\xHH`, `[..]`, `(?:..)`, `{m,n}`. */
import { isLetter, setMembers } from './byte-set.js'
import type { ByteSet, PatternNode } from './node.js'

/**
 * A pattern as an expression over bytes, to be compiled with DOTALL and without UTF-8 mode.
 * Assertions are left out: what is printed is for finding candidates.
 */
export function printExpression(node: PatternNode): string {
  switch (node.kind) {
    case 'literal':
      return node.bytes.map(printByte).join('')
    case 'set':
      return printSet(node.set)
    case 'assert':
      return ''
    case 'concat':
      return node.items.map(item => group(item, item.kind === 'alternate')).join('')
    case 'alternate':
      return node.items.map(printExpression).join('|')
    case 'repeat':
      return group(node.item, !isSingle(node.item)) + printBounds(node.min, node.max)
  }
}

function group(node: PatternNode, needed: boolean): string {
  return needed ? `(?:${printExpression(node)})` : printExpression(node)
}

/** Whether a quantifier can follow the printed node as it is. */
function isSingle(node: PatternNode): boolean {
  return node.kind === 'set' || (node.kind === 'literal' && node.bytes.length === 1)
}

function printBounds(min: number, max: number | undefined): string {
  if (max === undefined) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`
  if (min === 0 && max === 1) return '?'
  return min === max ? `{${min}}` : `{${min},${max}}`
}

function printByte(value: number): string {
  if (isLetter(value) || (value >= 0x30 && value <= 0x39)) return String.fromCharCode(value)
  return `\\x${value.toString(16).padStart(2, '0')}`
}

function printSet(set: ByteSet): string {
  const members = setMembers(set)
  if (members.length === 256) return '.'
  if (members.length === 1) return printByte(members[0] ?? 0)
  let text = ''
  for (let i = 0; i < members.length; ) {
    const from = members[i] ?? 0
    let to = from
    while (members[i + 1] === to + 1) {
      to++
      i++
    }
    i++
    text += to === from ? printByte(from) : `${printByte(from)}-${printByte(to)}`
  }
  return `[${text}]`
}
