/** What rules find as events of a scan, once everything has been searched. */
import type { MatchEvent, ResidentMatchEvent, RuleEvent } from '../../scan/events.js'
import type { RuleHit } from '../../scan/scanner.js'
import { type MatchPlacing, placed } from '../batch-events.js'
import type { MatchGate } from '../match-gate.js'
import { together } from '../together.js'
import type { RuleSide } from './rule-side.js'

/** The scan that rules are part of. */
export interface RuleScan {
  readonly side: RuleSide
  readonly gate: MatchGate
  /** Matches are held back to be sorted. */
  readonly sort: boolean
  /** How matches become what is told; as they are where it is undefined. */
  readonly placing: MatchPlacing | undefined
  /** Whose space an address lies in; undefined: nobody's, it is physical memory. */
  readonly pidsAt: (address: number) => readonly (number | undefined)[]
  readonly isStopped: () => boolean
  /** More was found than is asked for. */
  readonly stop: () => void
  readonly onHint: (line: string) => void
}

export class RuleEvents {
  readonly #scan: RuleScan
  #held = 0

  constructor(scan: RuleScan) {
    this.#scan = scan
  }

  /** Rules that hold, once for each space. */
  get held(): number {
    return this.#held
  }

  /** Evaluates; matches of rules are told with the others. Undefined: it takes long, and more is to come. */
  *verdict(): Generator<readonly (RuleEvent | MatchEvent)[] | undefined> {
    const { side, isStopped, onHint } = this.#scan
    if (isStopped()) {
      onHint('the scan was ended before all of it was searched: rules were not evaluated')
      return
    }
    yield* this.#findings()
    for (const hint of side.hints()) onHint(hint)
  }

  /** Ends early when there are as many matches as were asked for, and when the scan is cancelled. */
  *#findings(): Generator<readonly (RuleEvent | MatchEvent)[] | undefined> {
    const { side, isStopped, onHint } = this.#scan
    for (const finding of side.findings()) {
      if (finding === undefined) {
        yield undefined
        if (!isStopped()) continue
        onHint('the scan was ended while rules were evaluated: what held until then is told')
        return
      }
      if (finding.kind === 'rule') yield* together(this.#ruleEvents(finding.hit, finding.address))
      else if (yield* this.#matches(finding.matches)) return
    }
  }

  /** Matches of a string; returns whether there are more than are asked for. */
  *#matches(matches: readonly ResidentMatchEvent[]): Generator<readonly MatchEvent[], boolean> {
    const { gate, sort, placing, stop } = this.#scan
    for (const events of placing === undefined ? [matches] : together(allPlaced(matches, placing))) {
      if (sort) {
        for (const event of events) gate.hold(event)
        continue
      }
      const { told, isFull } = gate.passAll(events)
      yield told
      if (!isFull) continue
      stop()
      return true
    }
    return false
  }

  /** A rule that holds in the space at `address`: told for each process whose space it is. */
  *#ruleEvents(hit: RuleHit, address: number): Generator<RuleEvent> {
    for (const pid of this.#scan.pidsAt(address)) {
      this.#held++
      yield { type: 'rule', ...hit, ...(pid !== undefined && { pid }) }
    }
  }
}

function* allPlaced(matches: readonly ResidentMatchEvent[], placing: MatchPlacing): Generator<MatchEvent> {
  for (const match of matches) yield* placed(match, -1, placing)
}
