/** Loads koffi when it is first needed, and tells why where that fails: it is native code and not on every platform. */
import { createRequire } from 'node:module'

export type Koffi = typeof import('koffi')

let loaded: { readonly koffi?: Koffi; readonly problem?: string } | undefined

function load(): { readonly koffi?: Koffi; readonly problem?: string } {
  if (process.env['VMSIFT_NO_FFI'] === '1') return { problem: 'switched off by VMSIFT_NO_FFI' }
  try {
    return { koffi: createRequire(import.meta.url)('koffi') as Koffi }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) }
  }
}

/** koffi, or undefined where FFI is not to be had; `VMSIFT_NO_FFI=1` switches it off. */
export function tryKoffi(): Koffi | undefined {
  loaded ??= load()
  return loaded.koffi
}

/** The first of `names` that can be loaded as a shared library. `null` is the running program itself. */
export function tryLibrary(names: readonly (string | null)[]): ReturnType<Koffi['load']> | undefined {
  const koffi = tryKoffi()
  if (koffi === undefined) return undefined
  for (const name of names) {
    try {
      return koffi.load(name)
    } catch {}
  }
  return undefined
}
