/** Stop replies: why the guest stands still (GDB manual, "Stop Reply Packets"). */

export type StopReply =
  /** It stopped: `signal` is GDB's number (5 TRAP: breakpoint, watchpoint or step; 2 INT: asked to). */
  | {
      readonly kind: 'stopped'
      readonly signal: number
      /** The stub's name of the processor that stopped, as it wrote it. */
      readonly thread?: string
      readonly watch?: { readonly access: WatchAccess; readonly address: bigint }
    }
  /** The guest is no more. */
  | { readonly kind: 'exited' }

/** What a watchpoint looks at: reads, writes, or both. */
export type WatchAccess = 'r' | 'w' | 'rw'

export const SIGNAL_INTERRUPT = 2
export const SIGNAL_TRAP = 5

const WATCH: Readonly<Record<string, WatchAccess>> = { watch: 'w', rwatch: 'r', awatch: 'rw' }

/** Reads a stop reply; undefined for any other packet. No other answer starts like one. */
export function parseStop(text: string): StopReply | undefined {
  const [, letter = '', code = '', rest = ''] = /^([TSWX])([0-9a-f]{2})(.*)$/is.exec(text) ?? []
  if (letter === '') return undefined
  if (letter === 'W' || letter === 'X') return { kind: 'exited' }
  const signal = Number.parseInt(code, 16)
  let thread: string | undefined
  let watch: { access: WatchAccess; address: bigint } | undefined
  for (const field of rest.split(';')) {
    const [, name = '', value = ''] = /^([^:]+):(.*)$/s.exec(field) ?? []
    const access = WATCH[name]
    if (name === 'thread') thread = value
    else if (access !== undefined && /^[0-9a-f]{1,16}$/i.test(value))
      watch = { access, address: BigInt(`0x${value}`) }
  }
  return {
    kind: 'stopped',
    signal,
    ...(thread === undefined ? {} : { thread }),
    ...(watch === undefined ? {} : { watch }),
  }
}
