/** The truth as JSON: bigint addresses become hexadecimal strings. */

export function toJson(value: unknown): string {
  const replace = (_key: string, item: unknown): unknown =>
    typeof item === 'bigint' ? `0x${item.toString(16)}` : item
  return `${JSON.stringify(value, replace, 1)}\n`
}
