/** Bytes that a string of a rule should match, made from its tree: real rules seldom match anything that lies about. */
import type { Random } from '../../../bench/random.js'
import { setMembers } from '../../../src/patterns/byte-set.js'
import type { HexNode, RegexNode, StringPattern } from '../../../src/rules/ast.js'
import { base64Forms } from './strings.js'

/** What a loop does beyond its least. */
const MOST_MORE = 3
/** Of a long jump, so that images stay small. */
const MOST_JUMP = 600

/** One of the ways in which a string can stand in memory. Assertions and neighbours are not looked at. */
export function sampleOf(pattern: StringPattern, random: Random): Uint8Array {
  switch (pattern.kind) {
    case 'hex':
      return Uint8Array.from(fromHex(pattern.node, random))
    case 'regex': {
      const bytes = fromRegex(pattern.regex.node, random)
      const wide = pattern.wide && (!pattern.ascii || random.below(2) === 0)
      return Uint8Array.from(wide ? bytes.flatMap(byte => [byte, 0]) : bytes)
    }
    case 'text': {
      if (pattern.base64 !== undefined) return random.pick(base64Forms(pattern))
      const cased = [...pattern.bytes].map(byte =>
        pattern.nocase && isLetter(byte) && random.below(2) === 0 ? byte ^ 0x20 : byte,
      )
      const wide = pattern.wide && (!pattern.ascii || random.below(2) === 0)
      const { min, max } = pattern.xor ?? { min: 0, max: 0 }
      const key = min + random.below(max - min + 1)
      return Uint8Array.from(wide ? cased.flatMap(byte => [byte, 0]) : cased, byte => byte ^ key)
    }
  }
}

function isLetter(byte: number): boolean {
  return /[a-z]/i.test(String.fromCharCode(byte))
}

function fromHex(node: HexNode, random: Random): number[] {
  switch (node.kind) {
    case 'byte': {
      const fill = random.below(256)
      const byte = node.value | (fill & ~node.mask)
      if (!node.negated) return [byte]
      for (let at = 0; at < 256; at++)
        if (((fill + at) & node.mask) !== node.value) return [(fill + at) & 255]
      return []
    }
    case 'jump': {
      const most = Math.min(node.max ?? node.min + MOST_JUMP, node.min + MOST_JUMP)
      return Array.from({ length: node.min + random.below(most - node.min + 1) }, () => random.below(256))
    }
    case 'concat':
      return node.items.flatMap(item => fromHex(item, random))
    case 'alternatives':
      return fromHex(random.pick(node.items), random)
  }
}

function fromRegex(node: RegexNode, random: Random): number[] {
  switch (node.kind) {
    case 'empty':
    case 'assert':
      return []
    case 'set': {
      const members = setMembers(node.set)
      return members.length === 0 ? [] : [random.pick(members)]
    }
    case 'concat':
      return node.items.flatMap(item => fromRegex(item, random))
    case 'alternatives':
      return fromRegex(random.pick(node.items), random)
    case 'repeat': {
      const most = Math.min(node.max ?? node.min + MOST_MORE, node.min + MOST_MORE)
      const count = node.min + random.below(most - node.min + 1)
      return Array.from({ length: count }, () => fromRegex(node.item, random)).flat()
    }
  }
}
