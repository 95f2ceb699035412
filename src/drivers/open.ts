/** DriverSpec -> PhysicalMemory, in whichever thread it is called. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import type { PhysicalMemory } from '../core/memory.js'
import { type Libc, tryLibc } from '../ffi/libc.js'
import { openBlocks } from '../formats/open-blocks.js'
import { openBlockMemory } from './block-memory.js'
import { DirectMemory, type FileAids } from './direct-memory.js'
import { FileHoles } from './file-holes.js'
import { FileMap, leaseOn } from './file-map.js'
import { fileSource } from './file-source.js'
import { openLive } from './open-live.js'
import { PageCache } from './page-cache.js'
import type { DriverSpec, FileSpec } from './spec.js'

/** Opens the memory that `spec` names; disposing it closes what was opened here. */
export function openMemory(spec: DriverSpec): PhysicalMemory {
  return spec.kind === 'file' ? openFile(spec) : openLive(spec)
}

function openFile(spec: FileSpec): PhysicalMemory {
  const { fd, own, close } = reopen(spec.fd)
  const { size } = fstatSync(fd)
  const memory: PhysicalMemory =
    spec.storage.kind === 'direct'
      ? new DirectMemory(
          spec.runs,
          spec.storage.extents,
          fd,
          () => fstatSync(fd).size,
          fileAids(fd, size, spec.map && own),
        )
      : openBlockMemory(spec.runs, openBlocks(spec.storage.index, fileSource(fd)))
  const disposeMemory = memory[Symbol.dispose].bind(memory)
  let open = true
  memory[Symbol.dispose] = () => {
    if (!open) return
    open = false
    disposeMemory()
    close()
  }
  // mapped, the file is held as long as the pass takes
  if (!spec.map && spec.storage.kind === 'direct') memory.forPass = () => openFile({ ...spec, map: true })
  return memory
}

/** Of memory that is copied, most reads are short, and need none: the native calls are loaded when the first does. */
function fileAids(fd: number, size: number, map: boolean): FileAids {
  let libc: Libc | undefined
  let loaded: Omit<FileAids, 'map'> | undefined
  const load = () => {
    libc = tryLibc()
    return libc === undefined ? {} : { holes: new FileHoles(libc, fd), cache: new PageCache(libc, fd, size) }
  }
  if (map) loaded = load()
  return {
    ...(map && libc !== undefined && { map: new FileMap(libc, fd, leaseOn(libc, fd)) }),
    get holes() {
      loaded ??= load()
      return loaded.holes
    },
    get cache() {
      loaded ??= load()
      return loaded.cache
    },
  }
}

/** The same file through a descriptor of this thread's own, since a lease belongs to one; else the shared one, unmapped. */
function reopen(fd: number): { fd: number; own: boolean; close: () => void } {
  if (process.platform === 'linux') {
    try {
      const own = openSync(`/proc/self/fd/${fd}`, 'r')
      return { fd: own, own: true, close: () => closeSync(own) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
    }
  }
  return { fd, own: false, close: () => undefined }
}
