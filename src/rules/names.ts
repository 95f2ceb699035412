/** Names that a user can give. */

/** Longest name, as in YARA. */
export const MAX_NAME = 128
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Whether a name can be an external variable's. */
export function isExternalName(name: string): boolean {
  return name.length <= MAX_NAME && NAME.test(name)
}
