/**
 * The last link of a chain, where it begins with jumps: `{ 41 [0-300] [0-300] 42 }` is cut at the first long jump only, so the second one
 * is how its last link begins. An atom then has many starts, and libyara comes to the nearest one first; it then forgets every match of
 * the link before that is too far from that one, though another start lies nearer to it. So no start but the nearest counts.
 */
import { atomsOf } from './atoms.js'
import type { TreeNode } from './tree.js'

/** The items of a last link, its jumps at the beginning as short as they may be. */
export function nearestStart(items: readonly TreeNode[]): TreeNode[] {
  const run = items.findIndex(item => !isAnything(item))
  const atoms = atomsOf({ kind: 'concat', items: [...items], forward: -1, backward: -1 })
  const first = atoms.length === 1 ? atoms[0]?.nodes[0] : undefined
  const at = first === undefined ? -1 : items.indexOf(first)
  // where what stands before the atom has several lengths, libyara's order is another one
  if (run < 1 || at < run || !items.slice(run, at).every(isOneByte)) return [...items]
  return items.map((item, i) => (i < run && item.kind === 'jump' ? { ...item, max: item.min } : item))
}

function isAnything(item: TreeNode): boolean {
  return item.kind === 'jump' || (item.kind === 'byte' && item.mask === 0)
}

function isOneByte(item: TreeNode): boolean {
  return item.kind === 'byte' || item.kind === 'class'
}
