/** The tree of a process's areas (VADs), in the form of the build, and the files that they map. */
import type { Builder } from './builder.js'
import type { Objects } from './objects.js'
import type { AreaTruth } from './truth.js'

export class Vads {
  readonly #builder: Builder
  readonly #objects: Objects
  /** A control area a file, and what leads to it from a VAD. */
  readonly #files = new Map<
    string,
    { readonly subsection: bigint; readonly control: bigint; readonly file: bigint }
  >()

  constructor(builder: Builder, objects: Objects) {
    this.#builder = builder
    this.#objects = objects
  }

  /** FILE_OBJECT of a path, one for all who map it. */
  fileOf(path: string): bigint {
    return this.#fileOf(path).file
  }

  /** Writes the tree of `process` and its root; addresses of the nodes in order of address. */
  write(
    process: bigint,
    areas: readonly AreaTruth[],
    prototypes: ReadonlyMap<bigint, bigint> = new Map(),
  ): bigint[] {
    const sorted = [...areas].sort((a, b) => (a.start < b.start ? -1 : 1))
    const nodes = sorted.map(area => this.#node(area, prototypes.get(area.start)))
    const { facts, kernel } = this.#builder
    const build = (from: number, to: number, parent: bigint): bigint => {
      if (from >= to) return 0n
      const middle = (from + to) >> 1
      const node = nodes[middle] as bigint
      this.#link(node, parent, build(from, middle, node), build(middle + 1, to, node))
      return node
    }
    const root = this.#builder.at(process, '_EPROCESS.VadRoot')
    if (facts.has('_EPROCESS.VadRoot.BalancedRoot.RightChild')) {
      // an AVL table, whose own node is the parent of the topmost one
      const top = build(0, nodes.length, root)
      kernel.pointer(this.#builder.at(process, '_EPROCESS.VadRoot.BalancedRoot.RightChild'), top)
      this.#builder.putBits(process, '_EPROCESS.VadRoot.DepthOfTree', Math.ceil(Math.log2(nodes.length + 1)))
    } else kernel.pointer(root, build(0, nodes.length, 0n))
    return nodes
  }

  #link(node: bigint, parent: bigint, left: bigint, right: bigint): void {
    const builder = this.#builder
    builder.put(
      node,
      ['_MMVAD_SHORT.VadNode.Left', '_MMVAD_SHORT.VadNode.LeftChild', '_MMVAD_SHORT.LeftChild'],
      left,
    )
    builder.put(
      node,
      ['_MMVAD_SHORT.VadNode.Right', '_MMVAD_SHORT.VadNode.RightChild', '_MMVAD_SHORT.RightChild'],
      right,
    )
    // low bits of a parent's address are the node's balance
    builder.put(
      node,
      [
        '_MMVAD_SHORT.VadNode.ParentValue',
        '_MMVAD_SHORT.VadNode.u1.Parent',
        '_MMVAD_SHORT.u1.Parent',
        '_MMVAD_SHORT.Parent',
      ],
      parent,
    )
  }

  #node(area: AreaTruth, prototypes: bigint | undefined): bigint {
    const builder = this.#builder
    const { facts, pointerBytes } = builder
    const short = area.kind === 'private'
    const size = facts.size(short ? '_MMVAD_SHORT' : '_MMVAD')
    const node = builder.nonPaged.alloc(short ? 'VadS' : 'Vad ', size)
    const [first, last] = [area.start >> 12n, (area.end >> 12n) - 1n]
    const wide = facts.has('_MMVAD_SHORT.StartingVpnHigh')
    const vpnBytes = builder.build >= 9200 ? 4 : pointerBytes
    builder.put(node, '_MMVAD_SHORT.StartingVpn', first & 0xffff_ffffn, vpnBytes)
    builder.put(node, '_MMVAD_SHORT.EndingVpn', last & 0xffff_ffffn, vpnBytes)
    if (wide) {
      builder.put(node, '_MMVAD_SHORT.StartingVpnHigh', first >> 32n, 1)
      builder.put(node, '_MMVAD_SHORT.EndingVpnHigh', last >> 32n, 1)
    } else if (vpnBytes === 8) {
      builder.put(node, '_MMVAD_SHORT.StartingVpn', first)
      builder.put(node, '_MMVAD_SHORT.EndingVpn', last)
    }
    builder.putBits(node, '_MMVAD_SHORT.u.VadFlags.Protection', area.protection)
    builder.putBits(node, '_MMVAD_SHORT.u.VadFlags.PrivateMemory', short ? 1 : 0)
    if (area.kind === 'image')
      if (facts.has('_MMVAD_SHORT.u.VadFlags.VadType'))
        builder.putBits(node, '_MMVAD_SHORT.u.VadFlags.VadType', 2)
      else builder.putBits(node, '_MMVAD_SHORT.u.VadFlags.ImageMap', 1)
    if (area.path === undefined) return node
    const { subsection, control } = this.#fileOf(area.path)
    if (facts.has('_MMVAD.Subsection')) builder.put(node, '_MMVAD.Subsection', subsection)
    else builder.put(node, '_MMVAD.ControlArea', control)
    if (prototypes !== undefined) {
      builder.put(node, '_MMVAD.FirstPrototypePte', prototypes)
      builder.put(node, '_MMVAD.LastContiguousPte', prototypes + ((area.end - area.start) >> 12n) * 8n - 8n)
    }
    return node
  }

  #fileOf(path: string): { readonly subsection: bigint; readonly control: bigint; readonly file: bigint } {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    const builder = this.#builder
    const { facts } = builder
    const fileBytes = facts.size('_FILE_OBJECT')
    const file = this.#objects.create('File', fileBytes)
    builder.put(file, '_FILE_OBJECT.Type', 5, 2)
    builder.put(file, '_FILE_OBJECT.Size', fileBytes, 2)
    builder.putString(builder.at(file, '_FILE_OBJECT.FileName'), path)
    const control = builder.nonPaged.alloc('MmCa', facts.size('_CONTROL_AREA') + facts.size('_SUBSECTION'))
    // a fast reference: the lowest bits count
    const count = builder.pointerBytes === 8 ? 0xfn : 7n
    builder.put(control, '_CONTROL_AREA.FilePointer', builder.build >= 6000 ? file | count : file)
    const subsection = control + BigInt(facts.size('_CONTROL_AREA'))
    builder.put(subsection, '_SUBSECTION.ControlArea', control)
    const made = { subsection, control, file }
    this.#files.set(path, made)
    return made
  }
}
