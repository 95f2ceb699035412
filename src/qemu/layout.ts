/**
 * Where guest memory lies when no monitor tells: from QEMU's command line, its mappings, and what its machines are known to do (QEMU,
 * hw/i386/pc_piix.c, pc_q35.c, microvm.c; hw/arm/virt.c). RAM alone: ROM can't be told from other memory of QEMU.
 */
import { VmsiftError } from '../core/errors.js'
import type { QemuCommandLine } from './command-line.js'
import type { MemorySection } from './memory-map.js'
import { isOn, type Options, parseSize } from './option-string.js'
import type { HostMapping } from './process-maps.js'

const GIB = 2 ** 30
/** Machines with more move their memory above 4 GiB elsewhere on some processors. */
const MAX_BYTES = 1000 * GIB
const ABOVE_4G = 4 * GIB
const VGA_WINDOW = { start: 0xa0000, end: 0xc0000 }
const PAGE_BYTES = 4096

interface Backend {
  readonly bytes: number
  /** `ram`, `memfd`, `file`. */
  readonly kind: string
  readonly path: string | undefined
}

/**
 * @throws VmsiftError `target-unsupported` when it can't be told with certainty; a QMP socket then helps.
 */
export function guessSections(
  commandLine: QemuCommandLine,
  mappings: readonly HostMapping[],
): MemorySection[] {
  const backends = backendsOf(commandLine)
  const bytes = backends.reduce((sum, backend) => sum + backend.bytes, 0)
  if (bytes !== commandLine.memoryBytes) throw unsure('its memory backends are not all of its memory')
  const pieces = backends.map(backend => ({
    bytes: backend.bytes,
    pointer: pointerOf(backend, backends, mappings),
  }))
  const sections: MemorySection[] = []
  for (const { gpa, from, length } of rangesOf(commandLine, bytes)) {
    let start = 0
    for (const piece of pieces) {
      const low = Math.max(from, start)
      const high = Math.min(from + length, start + piece.bytes)
      if (low < high)
        sections.push({ gpa: gpa + low - from, length: high - low, pointer: piece.pointer + low - start })
      start += piece.bytes
    }
  }
  return sections
}

function unsure(why: string): VmsiftError {
  return new VmsiftError(
    'target-unsupported',
    `where the guest's memory lies can't be told without a monitor: ${why}; start QEMU with -qmp unix:PATH,server=on,wait=off`,
  )
}

/** Memory backends in the order in which they make up the guest's memory. */
function backendsOf({ memoryBytes, memoryPath, machine, numa, objects }: QemuCommandLine): Backend[] {
  const named = (id: string | undefined): Options => {
    const found = objects.find(object => object.get('id') === id)
    if (found === undefined) throw unsure(`its command line names no memory backend ${id}`)
    return found
  }
  const backend = (object: Options): Backend => ({
    bytes: parseSize(object.get('size'), 1) ?? 0,
    kind:
      isOn(object.get('share') ?? 'on') || object.get('qom-type') === 'memory-backend-ram'
        ? kindOf(object)
        : 'private',
    path: object.get('mem-path'),
  })
  const nodes = numa.filter(options => options.get('type') === 'node' && options.has('memdev'))
  if (nodes.length > 0) return nodes.map(node => backend(named(node.get('memdev'))))
  const id = machine.get('memory-backend')
  if (id !== undefined) return [backend(named(id))]
  return [{ bytes: memoryBytes, kind: memoryPath === undefined ? 'ram' : 'private', path: memoryPath }]
}

function kindOf(object: Options): string {
  return object.get('qom-type')?.replace('memory-backend-', '') ?? 'ram'
}

/** The only mapping that can be this backend's. */
function pointerOf(backend: Backend, all: readonly Backend[], mappings: readonly HostMapping[]): number {
  const twins = all.filter(
    other => other.bytes === backend.bytes && other.kind === backend.kind && other.path === backend.path,
  )
  const found = mappings.filter((mapping, index) => isOf(backend, mapping, mappings[index + 1]))
  const [only] = found
  if (twins.length > 1 || found.length > 1)
    throw unsure("several of its mappings look like the guest's memory")
  if (only === undefined)
    throw unsure(`none of its mappings looks like ${backend.bytes} bytes of guest memory`)
  // anonymous mappings that touch are shown as one: the memory is the upper end, where its guard page follows
  return only.end - backend.bytes
}

function isOf({ bytes, kind, path }: Backend, mapping: HostMapping, next: HostMapping | undefined): boolean {
  const size = mapping.end - mapping.start
  if (kind === 'ram') {
    const guarded =
      next?.start === mapping.end && next.flags === '---p' && next.end - next.start <= 16 * PAGE_BYTES
    return mapping.inode === 0 && mapping.path === '' && mapping.flags === 'rw-p' && size >= bytes && guarded
  }
  if (size !== bytes || mapping.inode === 0) return false
  if (kind === 'memfd') return mapping.path.startsWith('/memfd:memory-backend-memfd')
  return path !== undefined && (mapping.path === path || mapping.path.startsWith(`${path}/`))
}

interface Range {
  readonly gpa: number
  /** Offset in the guest's memory as a whole. */
  readonly from: number
  readonly length: number
}

function rangesOf({ program, machine, vga }: QemuCommandLine, bytes: number): Range[] {
  if (bytes > MAX_BYTES) throw unsure('it has more than 1000 GiB')
  const type = machine.get('type') ?? (/aarch64/.test(program) ? 'none' : 'pc')
  if (/aarch64|arm/.test(program) && /^virt(-|$)/.test(type))
    return [{ gpa: 0x4000_0000, from: 0, length: bytes }]
  if (!/x86_64|i386|kvm/.test(program)) throw unsure(`${program} is not known`)
  const low = Math.min(bytes, lowBytes(type, bytes, machine.get('max-ram-below-4g')))
  const ranges: Range[] =
    vga && type !== 'microvm'
      ? [
          { gpa: 0, from: 0, length: VGA_WINDOW.start },
          { gpa: VGA_WINDOW.end, from: VGA_WINDOW.end, length: low - VGA_WINDOW.end },
        ]
      : [{ gpa: 0, from: 0, length: low }]
  if (bytes > low) ranges.push({ gpa: ABOVE_4G, from: low, length: bytes - low })
  return ranges
}

/** Where memory below 4 GiB ends, when there is so much. */
function lowBytes(type: string, bytes: number, asked: string | undefined): number {
  if (asked !== undefined) throw unsure('max-ram-below-4g is set')
  if (/^(pc|pc-i440fx-.*)$/.test(type)) return bytes >= 0xe000_0000 ? 0xc000_0000 : 0xe000_0000
  if (/^(q35|pc-q35-.*)$/.test(type)) return bytes >= 0xb000_0000 ? 0x8000_0000 : 0xb000_0000
  if (type === 'microvm') return 0xc000_0000
  throw unsure(`the machine ${type} is not known`)
}
