/** Where the memory of a raw image starts, when its guest tells: arm64 machines have RAM at 0x40000000 and elsewhere. */
import { findRun } from '../core/runs.js'
import { isWindowsRecord } from '../os/reopen.js'
import { cacheFolder } from './cache-folder.js'
import { DetectionCache } from './detection-cache.js'
import type { GuestOptions } from './guest.js'
import { openTarget, type Target, type TargetOptions } from './target.js'
import { VERSION } from './version.js'

/**
 * Pages that are looked at, half of them in the first GiB, where kernels lie. One in a hundred holds code at the least; more pages would
 * be felt where the image is on a slow disk.
 */
const SAMPLES = 384
const PAGE_BYTES = 4096
const LOW_BYTES = 2 ** 30
/** `ret`, which ends every function (Arm ARM C6.2.309), little-endian. */
const RET = 0xd65f_03c0
/** Of these in one page, to be code and not chance. */
const ENOUGH = 2
/** Kept of an image in which no guest was found. */
const NO_GUEST = 'no guest'

/**
 * Opens an image where its guest says that it lies: as `openTarget`, but a raw image without `base` whose arm64 guest is recognised with
 * certainty is opened at that guest's base. What `openTarget` throws is thrown; a guest that isn't recognised leaves the base at 0.
 */
export async function openTargetAtGuestBase(
  path: string,
  options: TargetOptions & Pick<GuestOptions, 'cache'> = {},
): Promise<Target> {
  const { cache, ...parse } = options
  const target = await openTarget(path, parse)
  if (target.format !== 'raw' || parse.base !== undefined) return target
  if (isKnownWindows(target, cache) || !looksLikeArm64(target)) return target
  const base = await guestBase(target, cache === undefined ? {} : { cache })
  if (base === 0) return target
  target[Symbol.dispose]()
  return openTarget(path, { ...parse, base })
}

/** Memory of these begins at 0. */
function isKnownWindows(target: Target, cache = new DetectionCache(cacheFolder())): boolean {
  const identity = target.identity([])
  const kept = identity === undefined ? undefined : cache.read(identity)
  return kept !== undefined && isWindowsRecord(kept)
}

async function guestBase(target: Target, options: GuestOptions): Promise<number> {
  const cache = options.cache ?? new DetectionCache(cacheFolder())
  const identity = target.identity([VERSION, NO_GUEST])
  // an image that holds arm64 programs, and is none of such a machine: searched once
  if (identity !== undefined && cache.read(identity) === NO_GUEST) return 0
  // loaded when needed: most images are looked at only. Memory of other machines begins at 0: they are not looked for
  const { openGuest } = await import('./guest.js')
  using guest = await openGuest(target, { ...options, openBase: true, architecture: 'aarch64' })
  if (guest === undefined && identity !== undefined) cache.write(identity, NO_GUEST)
  return guest?.base ?? 0
}

/** Whether a page here or there holds arm64 code: a look that costs little, so that other images are not searched for a base. */
function looksLikeArm64(target: Target): boolean {
  const { memory, bytes } = target
  for (let i = 0; i < SAMPLES; i++) {
    const reach = i % 2 === 0 ? Math.min(bytes, LOW_BYTES) : bytes
    const at = Math.floor((reach * i) / SAMPLES / PAGE_BYTES) * PAGE_BYTES
    const run = memory.runs[findRun(memory.runs, at)]
    if (run === undefined || at + PAGE_BYTES > run.gpa + run.length) continue
    if (memory.spanAt(at, PAGE_BYTES).kind !== 'data') continue
    if (returnsIn(memory.window(at, PAGE_BYTES).bytes) >= ENOUGH) return true
  }
  return false
}

function returnsIn(page: Uint8Array): number {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength)
  let count = 0
  for (let at = 0; at + 4 <= page.length; at += 4) if (view.getUint32(at, true) === RET) count++
  return count
}
