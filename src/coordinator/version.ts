/** vmsift's own version, from its package.json wherever it is installed. */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export const VERSION: string = (require('vmsift/package.json') as { version: string }).version
