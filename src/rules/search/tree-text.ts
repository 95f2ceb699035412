/** Trees as text and back: what repeats a thousand times is short. */
import type { ByteSet } from '../../patterns/node.js'
import { maskedSet, type TreeAssertion, type TreeNode, treeNode } from './tree.js'

type Coded = readonly [string, ...unknown[]]

/** A tree without its code, as JSON. */
export function encodeTree(node: TreeNode): string {
  return JSON.stringify(coded(node))
}

/** The inverse of `encodeTree`. */
export function decodeTree(text: string): TreeNode {
  return treeOf(JSON.parse(text) as Coded)
}

function coded(node: TreeNode): Coded {
  switch (node.kind) {
    case 'byte':
      if (node.mask === 0) return ['any', node.set]
      return node.caseless ? ['letter', node.value] : ['byte', node.value, node.mask]
    case 'class':
      return ['class', node.set]
    case 'concat':
      return ['concat', ...node.items.map(coded)]
    case 'either':
      return ['either', coded(node.left), coded(node.right)]
    case 'star':
    case 'plus':
      return [node.kind, coded(node.item), node.greedy]
    case 'range':
      return ['range', coded(node.item), node.min, node.max, node.greedy]
    case 'jump':
      return ['jump', node.set, node.min, node.max, node.greedy]
    case 'assert':
      return ['assert', node.assertion]
    case 'empty':
      return ['empty']
  }
}

function treeOf([kind, ...rest]: Coded): TreeNode {
  const [a, b, c, d] = rest
  const greedy = (value: unknown): boolean => value === true
  switch (kind) {
    case 'any':
      return treeNode({ kind: 'byte', set: a as ByteSet, value: 0, mask: 0, caseless: false })
    case 'byte':
      return byteNode(maskedSet(a as number, b as number), a as number, b as number, false)
    case 'letter':
      return byteNode(maskedSet((a as number) & 0xdf, 0xdf), a as number, 0xff, true)
    case 'class':
      return treeNode({ kind: 'class', set: a as ByteSet })
    case 'concat':
      return treeNode({ kind: 'concat', items: (rest as Coded[]).map(treeOf) })
    case 'either':
      return treeNode({ kind: 'either', left: treeOf(a as Coded), right: treeOf(b as Coded) })
    case 'star':
    case 'plus':
      return treeNode({ kind, item: treeOf(a as Coded), greedy: greedy(b) })
    case 'range':
      return treeNode({
        kind,
        item: treeOf(a as Coded),
        min: b as number,
        max: c as number,
        greedy: greedy(d),
      })
    case 'jump':
      return treeNode({ kind, set: a as ByteSet, min: b as number, max: c as number, greedy: greedy(d) })
    case 'assert':
      return treeNode({ kind: 'assert', assertion: a as TreeAssertion })
    default:
      return treeNode({ kind: 'empty' })
  }
}

function byteNode(set: ByteSet, value: number, mask: number, caseless: boolean): TreeNode {
  return treeNode({ kind: 'byte', set, value, mask, caseless })
}
