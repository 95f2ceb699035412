/** One record of the kernel log. */
export interface LogRecord {
  /** Counts from 0 since the boot. */
  readonly sequence: number
  /** Since the boot, to the microsecond as dmesg prints it. */
  readonly seconds: number
  /** 0 (emergency) to 7 (debug), `LOG_*` of syslog. */
  readonly level: number
  /** 0 for the kernel's own, 1 for what programs wrote to /dev/kmsg, ... */
  readonly facility: number
  /** Who logged: `T` and a thread's pid, `C` and a processor; absent where the kernel doesn't keep it. */
  readonly caller?: string
  /** May hold line breaks; nothing is escaped. */
  readonly text: string
  /** Of the device the record is about: its subsystem (`pci`) and name. */
  readonly subsystem?: string
  readonly device?: string
  /** False for a record that could still grow (a line without its end). */
  readonly complete: boolean
}
