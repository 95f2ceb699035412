/**
 * Which bytes of a string libyara looks for: its atoms, four bytes at most. A match is found from each atom in it, forwards and then
 * backwards, so the choice decides which of several lengths is told. The rules are libyara's own (atoms.c).
 */
import { isLetter } from '../../patterns/byte-set.js'
import type { TreeNode } from './tree.js'

/** Bytes of an atom. */
export const MAX_ATOM_BYTES = 4
const BEST_QUALITY = 255
/** Bytes that stand everywhere. */
const COMMON = new Set([0x00, 0x20, 0xcc, 0xff])
const DULL = new Set([0x00, 0x20, 0x90, 0xcc, 0xff])

type ByteNode = Extract<TreeNode, { kind: 'byte' }>

/** Nodes that follow each other; the first one is where matching starts. */
export interface Atom {
  readonly nodes: readonly ByteNode[]
}

/** A tree of choices: all of the children are needed, or one of them will do. */
type Choice =
  | { readonly kind: 'leaf'; readonly nodes: readonly ByteNode[] }
  | { readonly kind: 'all' | 'one'; readonly children: Choice[] }

/** The atoms of which every match holds one; none where there are none. */
export function atomsOf(root: TreeNode): readonly Atom[] {
  const top: Choice = { kind: 'one', children: [] }
  collect(root, top)
  return choose(top).atoms
}

/** How good an atom is, 0 to 255: rare and different bytes are best. */
export function atomQuality(nodes: readonly ByteNode[]): number {
  let quality = 0
  const seen = new Set<number>()
  for (const { value, mask } of nodes) {
    if (mask === 0) quality -= 10
    else if (mask !== 0xff) quality += 4
    else {
      quality += COMMON.has(value) ? 12 : isLetter(value) ? 18 : 20
      seen.add(value)
    }
  }
  const [only = -1] = seen
  quality += seen.size === 1 && DULL.has(only) ? -10 * nodes.length : 2 * seen.size
  return BEST_QUALITY - 22 * MAX_ATOM_BYTES + quality
}

/** Nodes without those that are any byte at either end; one byte only, where more are unknown than known. */
function trimmed(nodes: readonly ByteNode[]): readonly ByteNode[] {
  let from = 0
  let to = nodes.length
  while (from < to && nodes[from]?.mask === 0) from++
  while (to > from && nodes[to - 1]?.mask === 0) to--
  const rest = nodes.slice(from, to)
  const known = rest.filter(({ mask }) => mask === 0xff).length
  const unknown = rest.filter(({ mask }) => mask === 0).length
  return rest.length > 0 && unknown >= known ? rest.slice(0, 1) : rest
}

type Children = Choice & { kind: 'all' | 'one' }

/** Walks the tree; what follows each other fills one leaf, until something that is no byte ends it. */
function collect(root: TreeNode, top: Children): void {
  const stack: { readonly node?: TreeNode; readonly into?: Children }[] = [
    { into: top },
    { node: root, into: top },
  ]
  let into = top
  let recent: ByteNode[] = []
  let best: readonly ByteNode[] = []
  let bestQuality = -1
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    if (item.into !== undefined) {
      if (recent.length > 0) {
        const atom = trimmed(recent)
        into.children.push({ kind: 'leaf', nodes: atomQuality(atom) > bestQuality ? atom : best })
      }
      recent = []
      into = item.into
      bestQuality = -1
    }
    const { node } = item
    switch (node?.kind) {
      case undefined:
        break
      case 'byte':
        if (recent.length < MAX_ATOM_BYTES) recent.push(node)
        else {
          if (bestQuality < BEST_QUALITY) {
            const atom = trimmed(recent)
            const quality = atomQuality(atom)
            if (quality > bestQuality) {
              best = atom
              bestQuality = quality
            }
            recent = [...recent.slice(1), node]
          }
        }
        break
      case 'concat':
        for (const child of node.items.toReversed()) stack.push({ node: child })
        break
      case 'either': {
        const left: Children = { kind: 'one', children: [] }
        const right: Children = { kind: 'one', children: [] }
        into.children.push({ kind: 'all', children: [left, right] })
        stack.push({ into }, { node: node.right, into: right }, { node: node.left, into: left })
        break
      }
      case 'plus':
        stack.push({ into }, { node: node.item })
        break
      case 'range':
        stack.push({ into })
        for (let i = 0; i < Math.min(node.min, MAX_ATOM_BYTES); i++) stack.push({ node: node.item })
        break
      default:
        stack.push({ into })
    }
  }
}

/** The best of several, or all of what is needed; quality 0: there is none. */
function choose(choice: Choice): { readonly atoms: readonly Atom[]; readonly quality: number } {
  if (choice.kind === 'leaf') {
    const nodes = trimmed(choice.nodes)
    return nodes.length === 0
      ? { atoms: [], quality: 0 }
      : { atoms: [{ nodes }], quality: atomQuality(nodes) }
  }
  const chosen = choice.children.map(choose)
  if (choice.kind === 'all')
    return {
      atoms: chosen.toReversed().flatMap(({ atoms }) => atoms),
      quality: Math.min(BEST_QUALITY, ...chosen.map(({ quality }) => quality)),
    }
  let best: ReturnType<typeof choose> = { atoms: [], quality: 0 }
  for (const each of chosen) if (each.quality > best.quality) best = each
  return best
}
