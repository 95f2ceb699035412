/**
 * What a small accessor function of the kernel's gives, read out of its machine code: `PsGetProcessId` loads a member of the structure
 * that its argument points to, and so tells where the member lies. The code is decoded instruction by instruction; anything beyond loads,
 * additions and a frame ends the reading, so that nothing is guessed.
 */

/** What the function gives. */
export interface Access {
  /** What the way starts from: the first argument, or what the processor's own block says is the current thread. */
  readonly root: 'argument' | 'thread'
  /** Bytes added before each load, the last of them before the last load, or to make the address. */
  readonly steps: readonly number[]
  /** It gives what is loaded, or an address in the structure. */
  readonly kind: 'load' | 'address'
  /** Bytes of the last load; 0 for an address. */
  readonly bytes: number
  /** The function ends there; otherwise it looks at the value (a NULL check) and goes on. */
  readonly complete: boolean
}

/** Code at an offset from the function's start; undefined where it is not in memory. */
export type CodeFetch = (offset: number, length: number) => Uint8Array | undefined

/** Instructions that are looked at, in all. */
export const MAX_INSTRUCTIONS = 48
/** Longer ways than any accessor takes. */
export const MAX_STEPS = 4

/** A value that is followed: `steps` loads from `root`, then `add`. */
export interface Value {
  readonly root: 'argument' | 'thread' | 'stack' | 'pcr'
  readonly steps: readonly number[]
  readonly add: number
  readonly bytes: number
}

/** `value` moved by `by`. */
export function moved(value: Value | undefined, by: number): Value | undefined {
  return value === undefined ? undefined : { ...value, add: (value.add + by) | 0, bytes: 0 }
}

/** What stands where `value` points. */
export function loaded(value: Value | undefined, bytes: number): Value | undefined {
  if (value === undefined || value.steps.length >= MAX_STEPS) return undefined
  return { root: value.root, steps: [...value.steps, value.add], add: 0, bytes }
}

/** The result as it is told; undefined for a value that tells nothing of a structure. */
export function accessOf(value: Value | undefined, complete: boolean): Access | undefined {
  if (value === undefined || (value.root !== 'argument' && value.root !== 'thread')) return undefined
  const { root, steps, add } = value
  if (add !== 0 || steps.length === 0) {
    if (add === 0) return undefined
    return { root, steps: [...steps, add], kind: 'address', bytes: 0, complete }
  }
  return { root, steps, kind: 'load', bytes: value.bytes, complete }
}
