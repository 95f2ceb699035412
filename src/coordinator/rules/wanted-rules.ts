/** Which rules can hold at all, told before anything is searched. */
import { GuardChecks, type GuardSpace } from '../../rules/guard-checks.js'
import { type Guards, rulesToEvaluate } from '../../rules/guards.js'
import { regionSpace, regionsOf } from './regions.js'
import type { RuleMemory } from './rule-memory.js'

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

/** Rules to be evaluated in spaces of which only that is known that they have no size. */
export function rulesForSpaces(guards: Guards): Uint8Array {
  const checks = new GuardChecks(guards)
  const space: GuardSpace = { filesize: undefined, read: () => undefined }
  return rulesToEvaluate(guards, (condition, foreign) => foreign || checks.mayHold(condition, space))
}
