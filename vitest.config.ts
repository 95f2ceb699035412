import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // nothing may come from, or be left in, the cache of whoever runs the tests
    env: { VMSIFT_CACHE: 'off' },
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
})
