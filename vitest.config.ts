import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/global-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // The addon keeps one engine thread a process; worker threads would share it between test files.
    pool: 'forks',
    maxWorkers: 2,
  },
});
