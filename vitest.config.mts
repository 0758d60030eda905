import { defineConfig } from 'vitest/config';

/**
 * Run last and alone: one holds processor time to a bar, and one takes the processor time of the others. What holds a time to a
 * bar measures something beside it in the same seconds, and needs no quiet.
 */
const timed = ['test/integration/cli/start-up.test.ts', 'test/field/outcomes/busy-loop.test.ts'];

/** Tests that take minutes: `npm run test:long`. A slice of each runs with the others. */
const long = ['test/**/*.long.test.ts'];

/** What these run a slice of (test/support/slice.ts), `npm run test:long` runs whole. */
const sliced = [
  'test/faults/endpoint-frozen.test.ts',
  'test/faults/stall.test.ts',
  'test/field/load/failing-fast.test.ts',
  'test/field/load/quiet-streams.test.ts',
  'test/field/load/suspects.test.ts',
  'test/field/outcomes/busy-loop.test.ts',
  'test/field/outcomes/no-answer.test.ts',
  'test/field/outliers/outliers.test.ts',
  'test/field/overload/layers.test.ts',
  'test/field/policy-slips.test.ts',
  'test/integration/balancer/outliers/outliers.test.ts',
  'test/integration/balancer/probes/without-health-service.test.ts',
  'test/integration/cli/policy-reaction.test.ts',
  'test/integration/cli/policy-writers.test.ts',
  'test/integration/client/caller-context.test.ts',
  'test/integration/client/chain-reaction.test.ts',
  'test/integration/client/chain.test.ts',
  'test/integration/client/isolation.test.ts',
  'test/integration/connections/empty-sessions.test.ts',
  'test/integration/discovery/consul/latency.test.ts',
  'test/integration/packaging/consumer.test.ts',
  'test/integration/propagation/three-hops.test.ts',
  'test/integration/rollout/simulation.test.ts',
];

export default defineConfig({
  test: {
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // Of conditions that tests wait for. A second, the default, is nothing on a machine that does other things.
    expect: { poll: { timeout: 10_000 } },
    // Two cores, and tests that wait most of the time.
    maxWorkers: 4,
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
      {
        extends: true,
        test: { name: 'long', include: [...long, ...sliced], env: { LONG: '1' }, sequence: { groupOrder: 2 } },
      },
      { extends: true, test: { name: 'timed', include: timed, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
