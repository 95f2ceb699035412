/** How many choices libyara's code for a string has: it refuses what has more than 128 (re.c, RE_MAX_SPLIT_ID). */
import { setMembers } from '../patterns/byte-set.js'
import type { HexNode, RegexNode, StringPattern } from './ast.js'

export const MAX_CHOICES = 128

/** The most that some part between long jumps has. */
export function choicesOf(pattern: StringPattern, longJump: number): number {
  if (pattern.kind === 'text') return 0
  if (pattern.kind === 'regex') {
    const { node } = pattern.regex
    const isLong = (item: RegexNode) =>
      item.kind === 'repeat' && !item.greedy && isDot(item.item) && (item.max ?? longJump + 1) > longJump
    return node.kind === 'concat' ? mostOf(node.items, ofRegex, isLong) : ofRegex(node)
  }
  const { node } = pattern
  if (node.kind !== 'concat') return ofHex(node)
  // bytes, most of what there is, count for nothing
  const others = node.items.filter(({ kind }) => kind !== 'byte')
  const isLong = (item: HexNode) => item.kind === 'jump' && (item.max ?? longJump + 1) > longJump
  return mostOf(others, ofHex, isLong)
}

function mostOf<Node>(
  items: readonly Node[],
  count: (node: Node) => number,
  isLong: (node: Node) => boolean,
): number {
  let most = 0
  let choices = 0
  for (const item of items) {
    choices = isLong(item) ? 0 : choices + count(item)
    most = Math.max(most, choices)
  }
  return most
}

/** `.` in either meaning. */
function isDot(node: RegexNode): boolean {
  return node.kind === 'set' && !node.isClass && setMembers(node.set).length >= 255
}

function ofHex(node: HexNode): number {
  switch (node.kind) {
    case 'byte':
    case 'jump':
      return 0
    case 'concat':
      return sum(node.items.map(ofHex))
    case 'alternatives':
      return sum(node.items.map(ofHex)) + node.items.length - 1
  }
}

function ofRegex(node: RegexNode): number {
  switch (node.kind) {
    case 'empty':
    case 'set':
    case 'assert':
      return 0
    case 'concat':
      return sum(node.items.map(ofRegex))
    case 'alternatives':
      return sum(node.items.map(ofRegex)) + node.items.length - 1
    case 'repeat': {
      const { item, min, max = Number.POSITIVE_INFINITY } = node
      const inner = ofRegex(item)
      if (max === Number.POSITIVE_INFINITY && min <= 1) return 1 + inner
      if (isDot(item)) return 0
      // what is counted stands up to three times in the code: before the loop, in it, and behind
      const copies = (min > 0 ? 1 : 0) + (max > min + 1 || max > 2 ? 1 : 0) + (max > min || max > 1 ? 1 : 0)
      return copies * inner + (max > min ? 1 : 0)
    }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
