import type { Observable } from 'rxjs'
import { describe, expectTypeOf, it } from 'vitest'
import { type ScanEvent, type ScanRequest, scan, scanIterable, type Target } from '../../../src/index.js'

type Items<T> =
  T extends Observable<infer Event> ? Event : T extends AsyncIterable<infer Event> ? Event : never
type MatchOf<T> = Extract<Items<T>, { type: 'match' }>

const physical = (target: Target) => scan(target, { patterns: [] })
const owned = (target: Target) => scanIterable(target, { patterns: [], space: 'physical', owners: true })
const virtual = (target: Target) => scan(target, { patterns: [], space: 'processes' })
const any = (target: Target, request: ScanRequest) => scan(target, request)

describe('types of a scan', () => {
  it('a match in physical memory has its address', () => {
    expectTypeOf<MatchOf<ReturnType<typeof physical>>['gpa']>().toEqualTypeOf<number>()
    expectTypeOf<MatchOf<ReturnType<typeof owned>>['gpa']>().toEqualTypeOf<number>()
  })

  it('a match in a virtual space may lie in a page that was swapped out', () => {
    expectTypeOf<MatchOf<ReturnType<typeof virtual>>['gpa']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Items<ReturnType<typeof any>>>().toEqualTypeOf<ScanEvent>()
  })
})
