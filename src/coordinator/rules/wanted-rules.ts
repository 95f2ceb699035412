/** Which rules can hold at all, told before anything is searched. */
import { GuardChecks, type GuardSpace } from '../../rules/guard-checks.js'
import { type Guards, rulesToEvaluate } from '../../rules/guards.js'
import type { MappedPages } from '../../space/mapped-pages.js'
import { regionSpace, regionsOf } from './regions.js'
import type { RuleMemory } from './rule-memory.js'

const NO_BYTES = new Uint8Array(0)
const PAGE_BITS = 12n

/** Rules to be evaluated (1) in an image. */
export function rulesForImage(guards: Guards, image: RuleMemory): Uint8Array {
  const checks = new GuardChecks(guards)
  const regions = regionsOf(image.runs)
  return rulesToEvaluate(guards, (condition, foreign) => {
    if (!foreign) return checks.mayHold(condition, image)
    return (
      regions === undefined || regions.some(region => checks.mayHold(condition, regionSpace(image, region)))
    )
  })
}

/** Rules to be evaluated in spaces without a size, of which it is known what they map, if anything is. */
export function rulesForSpaces(guards: Guards, mapped?: MappedPages): Uint8Array {
  const checks = new GuardChecks(guards)
  const space: GuardSpace = {
    filesize: undefined,
    // what stands there is not asked: tables for the same rules would differ from guest to guest, and from moment to moment
    read: offset =>
      mapped?.has(Number(BigInt.asIntN(64, offset) >> PAGE_BITS)) === false ? NO_BYTES : undefined,
  }
  return rulesToEvaluate(guards, (condition, foreign) => foreign || checks.mayHold(condition, space))
}
