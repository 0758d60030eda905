import { defineConfig } from 'vitest/config';

/**
 * Tests that hold a reaction time to a bar: they run last and alone, since the others would take their processor time. So does
 * one that takes the processor time of the others.
 */
const timed = [
  'test/integration/client/chain-reaction.test.ts',
  'test/integration/discovery/consul/latency.test.ts',
  'test/integration/cli/policy-reaction.test.ts',
  'test/integration/cli/start-up.test.ts',
  'test/field/outcomes/busy-loop.test.ts',
];

/** Tests that take minutes: `npm run test:long`. A slice of each runs with the others. */
const long = ['test/**/*.long.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // Of conditions that tests wait for. A second, the default, is nothing on a machine that does other things.
    expect: { poll: { timeout: 10_000 } },
    // Two cores: more workers only make the timing-sensitive suites fight each other.
    maxWorkers: 2,
    // Of tests of one file that say so: each has servers of its own in the same process.
    maxConcurrency: 3,
    passWithNoTests: false,
    globalSetup: 'test/support/script-bundles.ts',
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts'],
          exclude: ['test/unit/**', ...timed, ...long],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'long', include: long, sequence: { groupOrder: 2 } } },
      { extends: true, test: { name: 'timed', include: timed, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
