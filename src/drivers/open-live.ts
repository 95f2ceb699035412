/** LiveSpec -> memory, in whichever thread it is called. */
import { threadId } from 'node:worker_threads'
import { VmsiftError } from '../core/errors.js'
import type { PhysicalMemory } from '../core/memory.js'
import { type CopyRoom, tryProcessVm } from '../ffi/process-vm.js'
import { LiveMemory, type LiveParts, WritableLiveMemory } from './live-memory.js'
import { type LiveSource, NO_SOURCE } from './live-source.js'
import { MonitorSource } from './monitor-source.js'
import { ProcessSource } from './process-source.js'
import { SharedSource } from './shared-source.js'
import type { LiveSpec, SourceSpec } from './spec.js'

/** Opens the memory that `spec` names; disposing it closes what was opened here. */
export function openLive(spec: LiveSpec): PhysicalMemory {
  const { runs, pieces } = spec
  const vm = tryProcessVm()
  const parts: LiveParts = {
    runs,
    pieces,
    sources: spec.sources.map(source => openSource(source, spec)),
    allocate: length => vm?.allocate(length) ?? plainRoom(length),
  }
  return spec.write ? new WritableLiveMemory(parts) : new LiveMemory(parts)
}

function openSource(source: SourceSpec, { map, write }: LiveSpec): LiveSource {
  if (source.kind === 'none') return NO_SOURCE
  if (source.kind === 'file') {
    const { fd, sealed, huge } = source
    return new SharedSource({ fd, map: map && sealed, write, ...(huge && { huge }) })
  }
  if (source.kind === 'monitor') return new MonitorSource(source, threadId)
  const vm = tryProcessVm()
  if (vm === undefined)
    throw new VmsiftError(
      'ffi-unavailable',
      "reading QEMU's memory needs FFI (koffi), which does not load here",
    )
  return new ProcessSource(vm, source.process, source.sparse)
}

/** Files are copied without FFI too. */
function plainRoom(length: number): CopyRoom {
  return { bytes: new Uint8Array(length), pointer: 0 }
}
