import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Run last and alone: two hold processor time or the event loop to a bar, and one takes the processor time of the others. What
 * holds a time to a bar measures something beside it in the same seconds, and needs no quiet.
 */
const timed = [
  'test/integration/cli/start-up.test.ts',
  'test/field/outcomes/busy-loop.test.ts',
  'test/soak/churn.test.ts',
];

/** Tests that take minutes: `npm run test:long`. A slice of each runs with the others. */
const long = ['test/**/*.long.test.ts'];

/** What these run a slice of (test/support/slice.ts), `npm run test:long` runs whole. */
const sliced = [
  'test/faults/canary.test.ts',
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
  'test/field/variants/variants.test.ts',
  'test/integration/balancer/outliers/outliers.test.ts',
  'test/integration/balancer/probes/without-health-service.test.ts',
  'test/integration/breaker/guard/simulation.test.ts',
  'test/integration/breaker/reference.test.ts',
  'test/integration/cli/policy-reaction.test.ts',
  'test/integration/cli/policy-writers.test.ts',
  'test/integration/client/caller-context.test.ts',
  'test/integration/client/chain-reaction.test.ts',
  'test/integration/client/chain.test.ts',
  'test/integration/client/consul-load.test.ts',
  'test/integration/client/explain-agrees.test.ts',
  'test/integration/client/faults.test.ts',
  'test/integration/client/forgetting.test.ts',
  'test/integration/client/isolation.test.ts',
  'test/integration/connections/empty-sessions.test.ts',
  'test/integration/connections/flapping.test.ts',
  'test/integration/discovery/consul/latency.test.ts',
  'test/integration/discovery/consul/noise.test.ts',
  'test/integration/packaging/bundlers.test.ts',
  'test/integration/packaging/consumer.test.ts',
  'test/integration/policy/chain/export.test.ts',
  'test/integration/policy/gateway/import.test.ts',
  'test/integration/policy/proof/entries.test.ts',
  'test/integration/policy/proof/istio.test.ts',
  'test/integration/propagation/three-hops.test.ts',
  'test/integration/rollout/analysis/gaps.test.ts',
  'test/integration/rollout/end-to-end/end-to-end.test.ts',
  'test/integration/rollout/simulation.test.ts',
  'test/integration/rollout/waves/waves-crash.test.ts',
  'test/integration/telemetry/incidents/incidents.test.ts',
];

/** The longest, which begin first, so that none of them is alone at the end: vitest takes a small file for a quick one. */
const longest = [
  'faults/endpoint-slow',
  'integration/telemetry/incidents',
  'integration/rollout/end-to-end',
  'integration/cli/rollout-takeover',
  'integration/cli/call.test',
  'faults/registry-empty',
  'field/never-worse/never-worse',
  'faults/datacenter',
  'field/load/suspects',
  'field/at-most-once',
  'integration/packaging/consumer',
  'integration/connections/draining',
  'integration/client/run-again',
  'faults/endpoint-errors',
  'soak/',
  'field/overload/',
  'integration/rollout/takeover',
  'integration/client/connections',
  'integration/client/reaction',
  'field/quiet-calls',
];

/**
 * Of these, `npm test` runs many files in one process, which saves a fifth of their processor time. Run by themselves
 * they have a process each.
 */
const together =
  'balancer|breaker|candidate|cli|client|connections|deploy|discovery|docs|policy|propagation|rollout|rollout-metrics|server';

/** But for those that ask something of their whole process, or register something for all of it. */
const alone = [
  'test/integration/client/call-path.test.ts',
  'test/integration/client/caller-context.test.ts',
  'test/integration/client/forgetting.test.ts',
  'test/integration/client/letting-go.test.ts',
  'test/integration/client/mirror/spans.test.ts',
  'test/integration/client/peers.test.ts',
  'test/integration/client/planted-token.test.ts',
  'test/integration/client/testing/test-client.test.ts',
  'test/integration/client/waiting.test.ts',
  'test/integration/policy/simulate.test.ts',
  'test/integration/propagation/three-hops.test.ts',
  'test/integration/rollout/collector/listener.test.ts',
  'test/integration/rollout/takeover.test.ts',
  'test/integration/server/stopping.test.ts',
];

/** Of tests that start processes. */
const globalSetup = 'test/support/script-bundles.ts';

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean =>
      longest.some((part) => moduleId.includes(`/test/${part}`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // Of conditions that tests wait for. A second, the default, is nothing on a machine that does other things.
    expect: { poll: { timeout: 10_000 } },
    // Two cores: tests wait for a third of their time.
    maxWorkers: 4,
    // Of tests of one file that say so: each has servers of its own in the same process.
    maxConcurrency: 3,
    passWithNoTests: false,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // No test of these asks what its process as a whole does, so that all may share one.
          pool: 'threads',
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts'],
          exclude: ['test/unit/**', ...timed, ...long],
          globalSetup,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'together',
          include: [`test/integration/@(${together})/**/*.test.ts`],
          exclude: [...alone, ...timed, ...long],
          isolate: false,
          globalSetup,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'apart',
          include: ['test/!(unit|integration)/**/*.test.ts', `test/integration/!(${together})/**/*.test.ts`, ...alone],
          exclude: [...timed, ...long],
          globalSetup,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          include: [...long, ...sliced],
          env: { LONG: '1' },
          globalSetup,
          sequence: { groupOrder: 2 },
        },
      },
      { extends: true, test: { name: 'site', include: ['site/test/*.test.ts'], sequence: { groupOrder: 3 } } },
      {
        extends: true,
        test: { name: 'timed', include: timed, maxWorkers: 1, globalSetup, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
