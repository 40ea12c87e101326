import { defineConfig } from 'vitest/config';
import { SlowestFirst } from './test/support/slowest-first.ts';
import { SummaryReporter } from './test/support/summary-reporter.ts';

/** Set by test/support/run.ts. */
const summary = process.env['TEST_SUMMARY'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    sequence: { sequencer: SlowestFirst },
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', ...(summary === undefined ? [] : [new SummaryReporter(summary)])],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // CI has two cores, which it may share: a test that fails is repeated once, and listed. Elsewhere vitest takes as many
    // workers as there are, and repeats nothing.
    ...(process.env['CI'] && { maxWorkers: 2, retry: 1 }),
  },
});
