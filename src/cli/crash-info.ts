/** What the header of a Windows crash dump tells, for `info`. */
import { hex } from '../core/address.js'
import type { CrashException, TriageFacts, WindowsDumpFacts } from '../formats/crashdump-facts.js'
import { escapeText } from './escape.js'
import { plural } from './units.js'

/** 1601-01-01 to 1970-01-01 in seconds, and how many units of Windows' clock a second has. */
const EPOCH_SECONDS = 11_644_473_600n
const TICKS = 10_000_000n
/** Past this a Date has no text. */
const MAX_SECONDS = 8_640_000_000_000n

/** As JSON. */
export function crashFields(facts: WindowsDumpFacts): Record<string, unknown> {
  const { bugCheck, systemTime, upTime, context, exception, triage, major } = facts
  return {
    kind: facts.kind,
    bits: facts.bits,
    machine: hex(facts.machine),
    build: facts.build,
    checked: major === 12,
    directoryTableBase: address(facts.directoryTableBase),
    pfnDatabase: address(facts.pfnDatabase),
    loadedModuleList: address(facts.loadedModuleList),
    activeProcessHead: address(facts.activeProcessHead),
    debuggerDataBlock: address(facts.debuggerDataBlock),
    processors: facts.processors,
    bugCheck: { code: hex(bugCheck.code), parameters: bugCheck.parameters.map(hex) },
    systemTime: systemTime === undefined ? undefined : timeText(systemTime),
    upTime: upTime === undefined ? undefined : Number(upTime) / Number(TICKS),
    comment: facts.comment,
    context:
      context && Object.fromEntries(Object.entries(context).map(([name, value]) => [name, hex(value)])),
    exception: exception && exceptionFields(exception),
    triage: triage && triageFields(triage),
  }
}

/** Rows of the table. */
export function crashRows(facts: WindowsDumpFacts): (readonly [string, string])[] {
  const { bugCheck, systemTime, triage } = facts
  const code =
    bugCheck.code === 0 ? 'none' : `${hex(bugCheck.code)} (${bugCheck.parameters.map(hex).join(', ')})`
  return [
    ['crash dump', `${facts.kind}, Windows build ${facts.build}`],
    ['bug check', code],
    ...(systemTime === undefined ? [] : [['written', timeText(systemTime)] as const]),
    ...(facts.comment === undefined ? [] : [['comment', escapeText(facts.comment)] as const]),
    ...(triage === undefined
      ? []
      : [
          [
            'triage data',
            `${plural(triage.dataBlocks, 'block')}, ${plural(triage.drivers.length, 'driver')}, ${triage.unloadedDrivers.length} unloaded`,
          ] as const,
        ]),
  ]
}

function triageFields(triage: TriageFacts): Record<string, unknown> {
  return {
    dataBlocks: triage.dataBlocks,
    prcbBytes: triage.prcb?.length,
    processBytes: triage.process?.length,
    threadBytes: triage.thread?.length,
    debuggerDataBytes: triage.debuggerData?.length,
    topOfStack: address(triage.topOfStack),
    drivers: triage.drivers.map(({ name, base, size, timestamp, checksum }) => ({
      name,
      base: hex(base),
      size,
      timestamp,
      checksum,
    })),
    unloadedDrivers: triage.unloadedDrivers.map(({ name, start, end }) => ({
      name,
      start: hex(start),
      end: hex(end),
    })),
  }
}

function exceptionFields({ code, flags, address, parameters }: CrashException): Record<string, unknown> {
  return { code: hex(code), flags, address: hex(address), parameters: parameters.map(hex) }
}

function address(value: bigint | undefined): string | undefined {
  return value === undefined ? undefined : hex(value)
}

/** ISO 8601; a number no calendar has stays one. */
function timeText(ticks: bigint): string {
  const seconds = ticks / TICKS - EPOCH_SECONDS
  if (seconds > MAX_SECONDS || seconds < -MAX_SECONDS) return hex(ticks)
  return new Date(Number(seconds) * 1000 + Number((ticks % TICKS) / 10_000n)).toISOString()
}
