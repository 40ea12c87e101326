import { defineConfig } from 'vitest/config';
import { SlowestFirst } from './test/support/slowest-first.ts';
import { SummaryReporter } from './test/support/summary-reporter.ts';

/** Set by `make test`. */
const summary = process.env['TEST_SUMMARY'];

/**
 * Test files that share a process, one after another: they load the server's modules and compile the contract once, which takes a
 * second of processor time. They leave nothing behind in the process.
 */
const SHARED = [
  'test/{unit,http,delivery,agent,deploy,e2e,aws,collect,backup,infra,published-agents}/**/*.test.ts',
  'test/db/!(embedded)*.test.ts',
  'test/provision/!(local)*.test.ts',
];

const settings = {
  testTimeout: 30_000,
  hookTimeout: 60_000,
  // CI has two cores, which it may share: a test that fails is repeated once, and listed. Four workers, because each waits more than
  // half of its time (for a browser, a proxy, an interval). Elsewhere vitest takes as many workers as there are cores, and repeats nothing.
  ...(process.env['CI'] && { maxWorkers: 4, retry: 1 }),
};

export default defineConfig({
  test: {
    ...settings,
    sequence: { sequencer: SlowestFirst },
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', ...(summary === undefined ? [] : [new SummaryReporter(summary)])],
    projects: [
      {
        test: {
          ...settings,
          name: 'own process',
          include: ['test/**/*.test.ts'],
          exclude: SHARED,
        },
      },
      { test: { ...settings, name: 'shared process', include: SHARED, isolate: false } },
    ],
  },
});
