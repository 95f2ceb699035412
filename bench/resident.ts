/** What a process holds in memory, looked at from outside while it runs. */
import { readFileSync } from 'node:fs'

const MB = 1e6
const EVERY_MS = 5
/** /proc/PID/smaps is dear to make: once in so many looks. */
const MAPS_EVERY = 8

export interface Residence {
  /** Megabytes of anonymous memory (heap, buffers, stacks) at most. */
  readonly anonymous: number
  /** Megabytes resident in all but the mapping of `image`, at most: node's own code is in it. */
  readonly outside: number
}

/** Samples `pid` until `stop` is called, which returns the peaks. */
export function watchResidence(pid: number, image: string): { readonly stop: () => Residence } {
  let anonymous = 0
  let outside = 0
  let looks = 0
  const look = (): void => {
    anonymous = Math.max(anonymous, anonymousOf(pid))
    if (looks++ % MAPS_EVERY === 0) outside = Math.max(outside, outsideOf(pid, image))
  }
  const timer = setInterval(look, EVERY_MS)
  return {
    stop() {
      clearInterval(timer)
      return { anonymous, outside }
    },
  }
}

/** Megabytes of anonymous and shared memory now; 0 once the process is gone. */
export function anonymousOf(pid: number): number {
  const status = read(`/proc/${pid}/status`)
  return ((field(status, 'RssAnon') + field(status, 'RssShmem')) * 1024) / MB
}

/** Resident pages of every mapping but the image's. */
function outsideOf(pid: number, image: string): number {
  let kilobytes = 0
  let ours = true
  for (const line of read(`/proc/${pid}/smaps`).split('\n'))
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) ours = !line.endsWith(image)
    else if (ours && line.startsWith('Rss:')) kilobytes += Number.parseInt(line.slice(4), 10)
  return (kilobytes * 1024) / MB
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has ended
  }
}
