/** Whose code an address is: the kernel's own text, a module's, or nobody's. */
import type { LinuxKernel } from './kernel.js'
import { type LinuxModule, modules } from './modules.js'

/** Who owns an address. */
export type CodeOwner =
  | { readonly kind: 'kernel-text'; readonly symbol: string; readonly offset: number }
  /** In the kernel's image, but not in its text. */
  | { readonly kind: 'kernel-data' }
  | { readonly kind: 'module'; readonly name: string }
  | { readonly kind: 'nobody' }

/** Tells owners. Reads the modules once. */
export class CodeOwners {
  readonly #kernel: LinuxKernel
  readonly #text: readonly (readonly [bigint, bigint])[]
  readonly #image: readonly [bigint, bigint] | undefined
  readonly #modules: readonly LinuxModule[]

  constructor(kernel: LinuxKernel, list: readonly LinuxModule[] = modules(kernel).items) {
    this.#kernel = kernel
    this.#modules = list
    // aarch64 has functions before `_stext` (entry code), 32-bit x86 has its entry text behind `_stext` too
    const pairs = [
      rangeOf(kernel, '_stext', '_etext'),
      rangeOf(kernel, '__entry_text_start', '__entry_text_end'),
      rangeOf(kernel, '_sinittext', '_einittext'),
    ]
    this.#text = pairs.filter(pair => pair !== undefined)
    this.#image = rangeOf(kernel, '_text', '_end') ?? rangeOf(kernel, '_stext', '_end')
  }

  /** Whether the kernel's text is known: without it nothing can be judged. */
  get known(): boolean {
    return this.#text.length > 0
  }

  ownerOf(address: bigint): CodeOwner {
    if (this.#text.some(range => isIn(range, address))) {
      const near = this.#kernel.symbols.nearest(address)
      return { kind: 'kernel-text', symbol: near?.symbol.name ?? '', offset: near?.offset ?? 0 }
    }
    if (this.#image !== undefined && isIn(this.#image, address)) return { kind: 'kernel-data' }
    const owner = this.#modules.find(({ ranges }) =>
      ranges.some(({ start, bytes }) => address >= start && address < start + BigInt(bytes)),
    )
    return owner === undefined ? { kind: 'nobody' } : { kind: 'module', name: owner.name }
  }
}

function rangeOf(kernel: LinuxKernel, from: string, to: string): readonly [bigint, bigint] | undefined {
  const start = kernel.symbols.addressOf(from)
  const end = kernel.symbols.addressOf(to)
  return start === undefined || end === undefined || end <= start ? undefined : [start, end]
}

function isIn([start, end]: readonly [bigint, bigint], address: bigint): boolean {
  return address >= start && address < end
}
