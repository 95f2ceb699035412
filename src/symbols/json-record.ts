/** Looking into parsed JSON that nobody has checked. */

/** An object, not an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object's own value, so that `constructor` and the like are absent as they should be. */
export function own(record: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined
}

/** A number that may be an offset, a size or a count. */
export function ownCount(record: Readonly<Record<string, unknown>>, key: string): number | undefined {
  const value = own(record, key)
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** A string. */
export function ownString(record: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = own(record, key)
  return typeof value === 'string' ? value : undefined
}
