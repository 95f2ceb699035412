/** What QEMU's command line tells of a guest (QEMU, qemu-options.hx). */
import { basename } from 'node:path'
import { isOn, type Options, parseOptions, parseSize } from './option-string.js'

const MIB = 2 ** 20
const DEFAULT_BYTES = 128 * MIB

export interface QemuCommandLine {
  /** `qemu-system-x86_64`, without folder. */
  readonly program: string
  /** `-name`. */
  readonly name: string | undefined
  /** `-uuid`, lower case. */
  readonly uuid: string | undefined
  /** `-m`: memory at boot. */
  readonly memoryBytes: number
  /** Paths of QMP sockets on which QEMU listens, as they were given. */
  readonly qmpPaths: readonly string[]
  /** Unix sockets of gdbstubs on which QEMU listens, as they were given. */
  readonly gdbPaths: readonly string[]
  /** `-machine` (or `-M`); the implied key is `type`. */
  readonly machine: Options
  /** `-object`: each with its `qom-type`. */
  readonly objects: readonly Options[]
  /** `-numa`: each with its `type`. */
  readonly numa: readonly Options[]
  /** `-mem-path`. */
  readonly memoryPath: string | undefined
  /** There is a VGA card, so 0xA0000-0xBFFFF is its window. */
  readonly vga: boolean
}

/** Parses the arguments, the program's name first. Nothing in them is an error: QEMU runs. */
export function parseCommandLine(words: readonly string[]): QemuCommandLine {
  const given = optionsOf(words)
  const all = (name: string): readonly string[] => given.get(name) ?? []
  const last = (name: string): string | undefined => all(name).at(-1)
  const machine = new Map<string, string>()
  for (const text of [...all('machine'), ...all('M')])
    for (const [key, value] of parseOptions(text, 'type')) machine.set(key, value)
  const memory = parseOptions(last('m') ?? '', 'size').get('size')
  const chardevs = all('chardev').map(text => parseOptions(text, 'backend'))
  return {
    program: basename(words[0] ?? ''),
    name: parseOptions(last('name') ?? '', 'guest').get('guest') || undefined,
    uuid: last('uuid')?.toLowerCase(),
    memoryBytes: parseSize(memory, MIB) ?? DEFAULT_BYTES,
    qmpPaths: [
      ...all('qmp').flatMap(text => listeningPath(text, chardevs)),
      ...all('mon')
        .map(text => parseOptions(text, 'chardev'))
        .filter(options => options.get('mode') === 'control' && !isOn(options.get('pretty')))
        .flatMap(options => socketPath(chardevs, options.get('chardev'))),
    ],
    gdbPaths: all('gdb').flatMap(text => listeningPath(text, chardevs)),
    machine,
    objects: all('object').map(text => parseOptions(text, 'qom-type')),
    numa: all('numa').map(text => parseOptions(text, 'type')),
    memoryPath: last('mem-path'),
    vga: hasVga(given),
  }
}

/** Each option's arguments. Which options take one is not known here: a word that follows one is taken for it. */
function optionsOf(words: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const options = new Map<string, string[]>()
  let values: string[] | undefined
  for (const word of words.slice(1)) {
    if (word.startsWith('-')) {
      const name = word.replace(/^--?/, '')
      values = options.get(name) ?? []
      options.set(name, values)
    } else {
      values?.push(word)
      values = undefined
    }
  }
  return options
}

/** `unix:PATH,server=on,wait=off`, or `chardev:ID`. */
function listeningPath(text: string, chardevs: readonly Options[]): string[] {
  if (text.startsWith('chardev:')) return socketPath(chardevs, text.slice('chardev:'.length))
  if (!text.startsWith('unix:')) return []
  const options = parseOptions(text.slice('unix:'.length), 'path')
  const path = options.get('path')
  return path !== undefined && isOn(options.get('server')) ? [path] : []
}

function socketPath(chardevs: readonly Options[], id: string | undefined): string[] {
  const chardev = chardevs.find(options => options.get('id') === id)
  const path = chardev?.get('path')
  const listens = chardev?.get('backend') === 'socket' && isOn(chardev.get('server'))
  return path !== undefined && listens && !isOn(chardev.get('abstract')) ? [path] : []
}

const VGA_DEVICE =
  /^(VGA|cirrus-vga|qxl-vga|vmware-svga|virtio-vga|ati-vga|bochs-display|isa-vga|isa-cirrus-vga)/

function hasVga(given: ReadonlyMap<string, readonly string[]>): boolean {
  const vga = given.get('vga')?.at(-1)
  if (vga !== undefined) return vga !== 'none'
  if (given.get('device')?.some(text => VGA_DEVICE.test(text)) === true) return true
  return !given.has('nodefaults')
}
