/** The bytes that stand around an atom wherever it is matched: what is looked for may be longer than an atom, and rarer. */
import { setUnion } from '../../patterns/byte-set.js'
import type { ByteSet } from '../../patterns/node.js'
import type { Atom } from './atoms.js'
import type { TreeNode } from './tree.js'

/** Bytes on either side that are of use. */
const REACH = 16

export interface Surroundings {
  readonly sets: readonly ByteSet[]
  /** Where the atom begins in `sets`. */
  readonly atom: number
}

/** The neighbours of each atom within its own concatenation. */
export function surroundingsOf(root: TreeNode, atoms: readonly Atom[]): Surroundings[] {
  const places = new Map<TreeNode, { readonly items: readonly TreeNode[]; readonly at: number }>()
  note(root, places)
  return atoms.map(({ nodes }) => {
    const place = places.get(nodes[0] as TreeNode)
    if (place === undefined || !nodes.every((node, i) => place.items[place.at + i] === node))
      return { sets: nodes.map(({ set }) => set), atom: 0 }
    const { items, at } = place
    const before = neighbours(items, at - 1, -1)
    const behind = neighbours(items, at + nodes.length, 1)
    return {
      sets: [...before.toReversed(), ...nodes.map(({ set }) => set), ...behind],
      atom: before.length,
    }
  })
}

/** The bytes from an item on, in one direction, as far as each stands at one distance. */
function neighbours(items: readonly TreeNode[], from: number, step: 1 | -1): ByteSet[] {
  const sets: ByteSet[] = []
  for (let at = from; sets.length < REACH; at += step) {
    const item = items[at]
    if (item?.kind === 'jump' && item.min === item.max && item.max <= REACH)
      for (let i = 0; i < item.min; i++) sets.push(item.set)
    else {
      const set = setOfNode(item)
      if (set === undefined) break
      sets.push(set)
    }
  }
  return sets
}

function setOfNode(node: TreeNode | undefined): ByteSet | undefined {
  if (node?.kind === 'byte' || node?.kind === 'class') return node.set
  if (node?.kind === 'concat' && node.items.length === 1) return setOfNode(node.items[0])
  if (node?.kind !== 'either') return undefined
  const left = setOfNode(node.left)
  const right = left && setOfNode(node.right)
  return right && setUnion(left, right)
}

function note(
  node: TreeNode,
  places: Map<TreeNode, { readonly items: readonly TreeNode[]; readonly at: number }>,
): void {
  switch (node.kind) {
    case 'concat':
      for (const [at, item] of node.items.entries()) {
        places.set(item, { items: node.items, at })
        note(item, places)
      }
      break
    case 'either':
      note(node.left, places)
      note(node.right, places)
      break
    case 'star':
    case 'plus':
    case 'range':
      note(node.item, places)
  }
}
