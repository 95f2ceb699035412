/** `vmsift dmesg`: the kernel's log. */
import type { LogRecord } from '../os/linux/log/record.js'
import { listCommand } from './list-command.js'

const HELP = `
Examples:
  vmsift dmesg memory.lime
  vmsift dmesg memory.lime --json | jq 'select(.level <= 3)'`

export const define = listCommand<LogRecord>({
  description: "Print the kernel's log.",
  help: HELP,
  list: guest => guest.log(),
  json: record => ({
    sequence: record.sequence,
    seconds: record.seconds,
    level: record.level,
    facility: record.facility,
    caller: record.caller,
    text: record.text,
    subsystem: record.subsystem,
    device: record.device,
  }),
  columns: () => [
    { title: 'SECONDS', text: ({ seconds }) => seconds.toFixed(6), right: true },
    { title: 'LEVEL', text: ({ level }) => String(level), right: true },
    { title: 'TEXT', text: ({ text }) => text },
  ],
})
