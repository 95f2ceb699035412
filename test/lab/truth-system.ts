/** What the guest says of the whole system: memory map, modules, sockets, mounts, kernel log, swap. */

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
  readonly references: number
  readonly usedBy: readonly string[]
  /** `Live`, `Loading`, `Unloading`. */
  readonly state: string
}

export interface GuestMount {
  readonly id: number
  readonly parent: number
  /** `major:minor`, decimal. */
  readonly device: string
  /** What of the file system is mounted. */
  readonly root: string
  readonly path: string
  readonly options: string
  readonly type: string
  readonly source: string
  readonly superOptions: string
}

export interface KernelMessage {
  /** Facility and level as /dev/kmsg gives them: `facility * 8 + level`. */
  readonly priority: number
  readonly sequence: number
  readonly microseconds: number
  /** Non-printable bytes as `\xNN`. */
  readonly text: string
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
      const [name = '', size, references, users = '', state = '', base = '0'] = line.split(' ')
      return {
        name,
        size: Number(size),
        base: BigInt(base),
        references: Number(references),
        usedBy: users.split(',').filter(user => user !== '' && user !== '-'),
        state,
      }
    })
}

/** Lines of /proc/PID/mountinfo. */
export function parseMounts(text: string): GuestMount[] {
  return text.split('\n').flatMap(line => {
    const [left = '', right] = line.split(' - ')
    if (right === undefined) return []
    const [id, parent, device = '', root = '', path = '', options = ''] = left.split(' ')
    const [type = '', source = '', superOptions = ''] = right.split(' ')
    return [
      { id: Number(id), parent: Number(parent), device, root, path, options, type, source, superOptions },
    ]
  })
}

/** Messages of /dev/kmsg; lines that start with a blank belong to the message before and are left out. */
export function parseKernelLog(text: string): KernelMessage[] {
  return text.split('\n').flatMap(line => {
    const match = /^(\d+),(\d+),(\d+),[^;]*;(.*)$/.exec(line)
    if (match === null) return []
    const [, priority, sequence, microseconds, message = ''] = match
    return [
      {
        priority: Number(priority),
        sequence: Number(sequence),
        microseconds: Number(microseconds),
        text: message,
      },
    ]
  })
}
