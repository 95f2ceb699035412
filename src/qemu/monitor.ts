/** What vmsift needs of a hypervisor's monitor, however it is reached: a QMP socket, or libvirt in front of it. */

/** Something QEMU tells without being asked: `STOP`, `RESUME`, `RESET`, `SHUTDOWN`, `MIGRATION`, ... */
export interface MonitorEvent {
  readonly event: string
  /** What QEMU adds; an empty object where it adds nothing. */
  readonly data: Readonly<Record<string, unknown>>
}

export interface CommandOptions {
  /** Milliseconds until the answer is given up; default 10 s. Commands that write files need more. */
  readonly timeoutMs?: number
}

/** A connection to one guest's monitor. */
export interface Monitor extends Disposable {
  /**
   * Runs a QMP command and returns its `return` value, which is not checked: QEMU may be hostile, so callers read it with care.
   * @throws VmsiftError `monitor-failed` with QEMU's own words (its class in `detail.class`), or when no answer comes in
   * time; `guest-gone` when the connection ends.
   */
  execute(
    command: string,
    args?: Readonly<Record<string, unknown>>,
    options?: CommandOptions,
  ): Promise<unknown>
  /** Runs a line of the human monitor and returns what it printed, `\n` between lines. It fails only as `execute` does. */
  human(commandLine: string, options?: CommandOptions): Promise<string>
  /** Whether events are told at all. */
  readonly tellsEvents: boolean
  /** Calls `listener` with every event from now on, until the function returned is called. */
  onEvent(listener: (event: MonitorEvent) => void): () => void
  /** Calls `listener` once when the connection ends, at once if it has; also after `close`. Returns how to forget it. */
  onClose(listener: () => void): () => void
  /** Ends the connection; safe to call twice. */
  close(): void
}

/** A monitor that can send a command in one synchronous call: for a process that is about to end. */
export interface LastWords {
  /** Sends the command and waits for nothing; what can't be sent is lost. Never throws. */
  executeNow(command: string): void
}

/** Whether this monitor can. */
export function canExecuteNow(monitor: Monitor): monitor is Monitor & LastWords {
  return 'executeNow' in monitor
}
