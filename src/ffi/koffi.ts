/** Loads koffi when it is first needed. It is native code and not on every platform. */
import { createRequire } from 'node:module'

export type Koffi = typeof import('koffi')

let loaded: { readonly koffi: Koffi | undefined } | undefined

function load(): Koffi | undefined {
  if (process.env['VMSIFT_NO_FFI'] === '1') return undefined
  try {
    return createRequire(import.meta.url)('koffi') as Koffi
  } catch {
    return undefined // no binary for this platform: absent, not broken
  }
}

/** koffi, or undefined where FFI is not to be had; `VMSIFT_NO_FFI=1` switches it off. */
export function tryKoffi(): Koffi | undefined {
  loaded ??= { koffi: load() }
  return loaded.koffi
}

/** The first of `names` that can be loaded as a shared library. `null` is the running program itself. */
export function tryLibrary(names: readonly (string | null)[]): ReturnType<Koffi['load']> | undefined {
  const koffi = tryKoffi()
  if (koffi === undefined) return undefined
  for (const name of names) {
    try {
      return koffi.load(name)
    } catch {
      // not under this name; the next one may be there
    }
  }
  return undefined
}
