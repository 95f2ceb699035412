/** The guest's own account of itself at one moment, told by guest/witness.c and parsed into plain data. */
import { type Marker, placeMarkers } from './markers.js'
import { type GuestProcess, parseProcess } from './truth-process.js'
import { type GuestSocket, parseSockets } from './truth-sockets.js'
import {
  type GuestModule,
  type GuestMount,
  type IomemRange,
  type KernelMessage,
  parseIomem,
  parseKernelLog,
  parseModules,
  parseMounts,
} from './truth-system.js'
import { type PageRun, parseWitness } from './witness.js'

export interface GuestTruth {
  readonly release: string
  /** The banner, as /proc/version prints it. */
  readonly version: string
  readonly cmdline: string
  readonly pageBytes: number
  /** Seconds since boot, and the boot's wall clock time in seconds of Unix time. */
  readonly uptimeSeconds: number
  readonly bootSeconds: number
  readonly iomem: readonly IomemRange[]
  readonly modules: readonly GuestModule[]
  /** Lines of /proc/swaps. */
  readonly swaps: readonly string[]
  readonly processes: readonly GuestProcess[]
  readonly sockets: readonly GuestSocket[]
  /** By mount namespace: `mnt:[4026531841]`. */
  readonly mounts: Readonly<Record<string, readonly GuestMount[]>>
  readonly kernelLog: readonly KernelMessage[]
  readonly markers: readonly Marker[]
  /** Every page of every process. */
  readonly pages: readonly PageRun[]
}

/** Reads the witness' report. `markers` tells what was planted where; their frames are looked up in the report. */
export function parseTruth(report: string, markers: readonly Marker[]): GuestTruth {
  const { files, processes: told, pages, pageBytes } = parseWitness(report)
  const file = (path: string): string => files.get(path) ?? ''
  const processes = told.flatMap(process => parseProcess(process) ?? [])
  const version = file('/proc/version').trim()
  return {
    release: version.split(' ')[2] ?? '',
    version,
    cmdline: file('/proc/cmdline').trim(),
    pageBytes,
    uptimeSeconds: Number.parseFloat(file('/proc/uptime')),
    bootSeconds: Number(/^btime (\d+)/m.exec(file('/proc/stat'))?.[1]),
    iomem: parseIomem(file('/proc/iomem')),
    modules: parseModules(file('/proc/modules')),
    swaps: file('/proc/swaps').trim().split('\n').slice(1),
    processes,
    sockets: parseSockets(files, processes),
    mounts: Object.fromEntries(
      told.flatMap(({ lines, files: own }) => {
        const namespace = lines.find(([key, value]) => key === 'ns' && value.startsWith('mnt:'))?.[1]
        const text = own.get('mountinfo') ?? ''
        return namespace === undefined || text === '' ? [] : [[namespace, parseMounts(text)]]
      }),
    ),
    kernelLog: parseKernelLog(file('/dev/kmsg')),
    markers: placeMarkers(markers, pages, pageBytes),
    pages,
  }
}
