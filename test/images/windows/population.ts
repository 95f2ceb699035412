/** Who lives in a generated guest. */

export interface ProcessSpec {
  /** A multiple of 100, System apart. */
  readonly pid: number
  readonly ppid: number
  readonly name: string
  readonly threads?: number
  readonly session?: number
  /** Its program, where it has a user half. */
  readonly user?: {
    readonly imagePath: string
    readonly commandLine: string
    readonly wow64?: boolean
    /** With pages of all kinds. */
    readonly kinds?: boolean
  }
  readonly handles?: readonly { readonly type: 'File' | 'Event' | 'Process'; readonly name: string }[]
  /**
   * `hidden`: unlinked from the active list. `exited`: the object is still there. `freed`: its pool block is free, nothing leads there.
   */
  readonly state?: 'hidden' | 'exited' | 'freed'
}

const SYSTEM32 = 'C:\\Windows\\System32\\'

function program(name: string, parameters = ''): { imagePath: string; commandLine: string } {
  return { imagePath: `${SYSTEM32}${name}`, commandLine: `${SYSTEM32}${name}${parameters}` }
}

/** The same people in all guests; a 32-bit program where the guest has 64 bits. */
export function populationOf(wide: boolean): readonly ProcessSpec[] {
  return [
    { pid: 4, ppid: 0, name: 'System', threads: 3, handles: [{ type: 'Process', name: '' }] },
    { pid: 300, ppid: 4, name: 'smss.exe', threads: 2, user: program('smss.exe') },
    {
      pid: 400,
      ppid: 300,
      name: 'csrss.exe',
      threads: 2,
      session: 0,
      user: program('csrss.exe', ' ObjectDirectory=\\Windows'),
    },
    { pid: 500, ppid: 400, name: 'services.exe', session: 0, user: program('services.exe') },
    {
      pid: 600,
      ppid: 500,
      name: 'svchost.exe',
      threads: 4,
      session: 0,
      user: program('svchost.exe', ' -k netsvcs -p'),
      handles: [
        { type: 'File', name: '\\Windows\\System32\\config\\SYSTEM' },
        { type: 'Event', name: 'ScmCreatedEvent' },
      ],
    },
    { pid: 1200, ppid: 1100, name: 'explorer.exe', threads: 2, session: 1, user: program('explorer.exe') },
    {
      pid: 2400,
      ppid: 1200,
      name: 'notepad.exe',
      session: 1,
      user: { ...program('notepad.exe', ' "C:\\Users\\user\\ü notes.txt"'), kinds: true },
      handles: [
        { type: 'File', name: '\\Users\\user\\ü notes.txt' },
        { type: 'Event', name: 'NotepadIsHere' },
        { type: 'Process', name: '' },
      ],
    },
    {
      pid: 2500,
      ppid: 1200,
      name: 'averyveryverylongname.exe',
      session: 1,
      user: program('averyveryverylongname.exe'),
    },
    ...(wide
      ? [
          {
            pid: 2600,
            ppid: 1200,
            name: 'narrow.exe',
            session: 1,
            user: {
              imagePath: 'C:\\Program Files (x86)\\narrow.exe',
              commandLine: 'narrow.exe /quiet',
              wow64: true,
            },
          },
        ]
      : []),
    { pid: 2700, ppid: 1200, name: 'hidden.exe', session: 1, user: program('hidden.exe'), state: 'hidden' },
    { pid: 2800, ppid: 1200, name: 'exited.exe', session: 1, user: program('exited.exe'), state: 'exited' },
    { pid: 2900, ppid: 1200, name: 'freed.exe', session: 1, state: 'freed' },
  ]
}

export interface DriverSpec {
  readonly name: string
  readonly size: number
  /** In no list. */
  readonly hidden?: true
}

export const DRIVERS: readonly DriverSpec[] = [
  { name: 'hal.dll', size: 0x49000 },
  { name: 'kdcom.dll', size: 0xa000 },
  { name: 'CLFS.SYS', size: 0x5e000 },
  { name: 'tcpip.sys', size: 0x1fe000 },
  { name: 'ntfs.sys', size: 0x1a0000 },
  { name: 'rootkit.sys', size: 0x8000, hidden: true },
  { name: 'win32k.sys', size: 0x310000 },
]
