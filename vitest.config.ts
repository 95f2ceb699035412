import { defineConfig, type Plugin } from 'vitest/config'

/** In src/coordinator/pool.ts: which file a worker thread runs. */
const FROM_SOURCE = "import.meta.url.endsWith('.ts') ? '.ts' : '.js'"
const WORKER = '../../workers/scan'

/**
 * With VMSIFT_DIST=1 (`npm run check`) worker threads run what was built from the same source a moment ago: to load the source
 * takes each of them a second, and the tests start thousands.
 */
const builtWorkers: Plugin = {
  name: 'built-workers',
  enforce: 'pre',
  transform(code, id) {
    if (!id.endsWith('/src/coordinator/pool.ts')) return undefined
    if (!code.includes(FROM_SOURCE) || !code.includes(WORKER)) throw new Error(`${id}: no worker to replace`)
    return code.replace(FROM_SOURCE, "'.js' as string").replace(WORKER, '../../dist/workers/scan')
  },
}

export default defineConfig({
  plugins: process.env.VMSIFT_DIST === '1' ? [builtWorkers] : [],
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    setupFiles: ['test/setup/random.ts'],
    // nothing may come from, or be left in, the cache of whoever runs the tests
    env: { VMSIFT_CACHE: 'off' },
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
})
