/** The commands there are. Each lives in a module of its own, loaded only when it is called or explained. */
import type { Define } from './define.js'

export interface CommandEntry {
  readonly name: string
  readonly arguments: string
  readonly summary: string
  readonly load: () => Promise<{ readonly define: Define }>
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'list',
    arguments: '',
    summary: 'running guests of this machine',
    load: () => import('./guests-command.js'),
  },
  {
    name: 'info',
    arguments: '<target>',
    summary: 'what an image holds: format, architecture, memory ranges',
    load: () => import('./info-command.js'),
  },
  {
    name: 'scan',
    arguments: '<target>',
    summary: 'find text, bytes, regular expressions and YARA rules in memory',
    load: () => import('./scan-command.js'),
  },
  {
    name: 'rules',
    arguments: '<action> <paths...>',
    summary: 'check YARA rules: errors, slow strings',
    load: () => import('./rules-command.js'),
  },
  {
    name: 'read',
    arguments: '<target> <address>',
    summary: 'print the bytes at an address',
    load: () => import('./read-command.js'),
  },
  {
    name: 'write',
    arguments: '<target> <address>',
    summary: "write bytes to a running guest's memory",
    load: () => import('./write-command.js'),
  },
  {
    name: 'translate',
    arguments: '<target> <va>',
    summary: 'translate a virtual address, level by level',
    load: () => import('./translate-command.js'),
  },
  {
    name: 'ps',
    arguments: '<target>',
    summary: "the guest's processes",
    load: () => import('./ps-command.js'),
  },
  {
    name: 'modules',
    arguments: '<target>',
    summary: 'loaded kernel modules',
    load: () => import('./modules-command.js'),
  },
  {
    name: 'maps',
    arguments: '<target>',
    summary: 'mappings of a process',
    load: () => import('./maps-command.js'),
  },
  {
    name: 'symbols',
    arguments: '<target> [names...]',
    summary: "the kernel's symbols",
    load: () => import('./symbols-command.js'),
  },
  {
    name: 'files',
    arguments: '<target>',
    summary: 'open files',
    load: () => import('./files-command.js'),
  },
  {
    name: 'handles',
    arguments: '<target>',
    summary: 'open handles of a process (Windows)',
    load: () => import('./handles-command.js'),
  },
  {
    name: 'net',
    arguments: '<target>',
    summary: 'sockets',
    load: () => import('./net-command.js'),
  },
  {
    name: 'threads',
    arguments: '<target>',
    summary: 'threads of the processes',
    load: () => import('./threads-command.js'),
  },
  {
    name: 'mounts',
    arguments: '<target>',
    summary: 'what is mounted where',
    load: () => import('./mounts-command.js'),
  },
  {
    name: 'env',
    arguments: '<target>',
    summary: 'environment of a process',
    load: () => import('./env-command.js'),
  },
  {
    name: 'integrity',
    arguments: '<target>',
    summary: 'kernel pointers that lead out of its code',
    load: () => import('./integrity-command.js'),
  },
  {
    name: 'dmesg',
    arguments: '<target>',
    summary: "the kernel's log",
    load: () => import('./dmesg-command.js'),
  },
  {
    name: 'regs',
    arguments: '<target>',
    summary: "the processors' registers",
    load: () => import('./regs-command.js'),
  },
  {
    name: 'pause',
    arguments: '<target>',
    summary: 'pause a running guest',
    load: () => import('./pause-command.js'),
  },
  {
    name: 'resume',
    arguments: '<target>',
    summary: 'let a paused guest go on',
    load: () => import('./resume-command.js'),
  },
  {
    name: 'watch',
    arguments: '<target>',
    summary: "a running guest's breakpoints, watchpoints and single steps",
    load: () => import('./watch-command.js'),
  },
  {
    name: 'dump',
    arguments: '<target>',
    summary: 'write the memory to a file: raw, LiME or ELF',
    load: () => import('./dump-command.js'),
  },
]
