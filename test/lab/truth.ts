/** The guest's own account of itself, printed by the guest and parsed into plain data. */
import type { GuestControl } from './control.js'
import { type Marker, parseMarkers } from './markers.js'

export interface IomemRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  readonly name: string
  /** Nesting in /proc/iomem: 0 is outermost. */
  readonly depth: number
}

export interface GuestModule {
  readonly name: string
  readonly size: number
  readonly base: bigint
}

export interface GuestMapping {
  readonly start: bigint
  readonly end: bigint
  /** As /proc prints them: `r-xp`. */
  readonly flags: string
  readonly path: string
}

export interface GuestProcess {
  readonly pid: number
  readonly ppid: number
  readonly name: string
  /** State letter of /proc/PID/stat. */
  readonly state: string
  readonly uid: number
  readonly threads: number
  readonly maps: readonly GuestMapping[]
}

export interface GuestTruth {
  readonly release: string
  readonly version: string
  readonly cmdline: string
  readonly iomem: readonly IomemRange[]
  readonly modules: readonly GuestModule[]
  readonly processes: readonly GuestProcess[]
  readonly markers: readonly Marker[]
}

const PROCESS_COMMAND =
  'for p in /proc/[0-9]*; do [ -e $p/stat ] || continue; echo "@process"; cat $p/stat; ' +
  'grep -E "^(Uid|Threads):" $p/status; cat $p/maps; done 2>/dev/null; true'

/** Asks for everything but kallsyms. */
export async function readTruth(control: GuestControl, seed: bigint): Promise<GuestTruth> {
  return {
    release: await control.shell('uname -r'),
    version: await control.shell('cat /proc/version'),
    cmdline: await control.shell('cat /proc/cmdline'),
    iomem: parseIomem(await control.shell('cat /proc/iomem')),
    modules: parseModules(await control.shell('cat /proc/modules')),
    processes: parseProcesses(await control.shell(PROCESS_COMMAND)),
    markers: await readMarkers(control, seed),
  }
}

/** Asks where the markers lie now: pages move. */
export async function readMarkers(control: GuestControl, seed: bigint): Promise<Marker[]> {
  return parseMarkers(await control.shell('marker report'), seed)
}

export function parseIomem(text: string): IomemRange[] {
  const ranges: IomemRange[] = []
  for (const line of text.split('\n')) {
    const match = /^( *)([0-9a-f]+)-([0-9a-f]+) : (.*)$/.exec(line)
    if (match === null) continue
    const [, indent = '', start = '', last = '', name = ''] = match
    ranges.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(last, 16) + 1,
      name,
      depth: indent.length / 2,
    })
  }
  return ranges
}

export function parseModules(text: string): GuestModule[] {
  return text
    .split('\n')
    .filter(line => line.includes(' 0x'))
    .map(line => {
      const fields = line.split(' ')
      return { name: fields[0] ?? '', size: Number(fields[1]), base: BigInt(fields[5] ?? '0') }
    })
}

export function parseProcesses(text: string): GuestProcess[] {
  return text
    .split('@process\n')
    .slice(1)
    .map(block => {
      const [stat = '', ...rest] = block.trimEnd().split('\n')
      // The name may hold spaces and parentheses: it ends at the last one.
      const close = stat.lastIndexOf(')')
      const [state = '', ppid] = stat.slice(close + 2).split(' ')
      const status = (key: string): number =>
        Number(
          rest
            .find(line => line.startsWith(`${key}:`))
            ?.split('\t')[1]
            ?.trim(),
        )
      return {
        pid: Number.parseInt(stat, 10),
        ppid: Number(ppid),
        name: stat.slice(stat.indexOf('(') + 1, close),
        state,
        uid: status('Uid'),
        threads: status('Threads'),
        maps: rest.flatMap(parseMapping),
      }
    })
}

function parseMapping(line: string): GuestMapping[] {
  const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)$/.exec(line)
  if (match === null) return []
  const [, start, end, flags = '', path = ''] = match
  return [{ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), flags, path }]
}
