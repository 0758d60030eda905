import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PolicyDocument } from '../../../../src/index';
import { closeAfterAll } from '../../../support/closers';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';
import { graySplit } from '../../../support/gray-policy';
import { sliceOf } from '../../../support/slice';
import { type Expected, judge } from './promtool-input';
import { asOthersSpell, type Recording } from './recording';
import { startCollector } from './rollout-collector';
import { openScene, type Scene } from './scene';

const rules = join(__dirname, '..', '..', '..', '..', 'examples', 'telemetry', 'alerts.yml');
const opened = closeAfterAll();
let consul: ConsulCluster;

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2'] });
});
afterAll(() => consul.stop());

type Rest = Omit<PolicyDocument, 'schema' | 'service'>;

/** README's first policy, with a canary that has calls enough to be judged within seconds. */
const README: Rest = {
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [
    { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true },
    {
      name: 'everyone',
      split: graySplit(20),
    },
  ],
  retry: {},
};
const STABLE: Rest = { subsets: { stable: { tags: ['stable'] } }, retry: {} };
const TYPO: Rest = { ...README, subsets: { ...README.subsets, stable: { tags: ['stabel'] } } };
const CANARY_TYPO: Rest = {
  ...README,
  subsets: { ...README.subsets, canary: { tags: ['canray'], fallback: 'stable' } },
};
const FAILING = { code: grpc.status.UNAVAILABLE };

/** One call in forty is a tester's. */
const testers = (call: number): Record<string, string> => (call % 40 === 0 ? { 'x-gray': 'canary' } : {});

interface Incident {
  readonly name: string;
  readonly policy: Rest;
  readonly labels?: (call: number) => Record<string, string>;
  readonly fault: (scene: Scene) => unknown;
  /** The fault has had its effect. */
  readonly until: (scene: Scene) => boolean;
  /** How long it is seen at work, as in {@link Scene.record}. */
  readonly illMs?: number;
  readonly expected: readonly Expected[];
}

const inspected = ({ graylane }: Scene) => graylane.inspect().services[0];
const isOpen = (scene: Scene, level: string): boolean =>
  inspected(scene)?.breakers.some((breaker) => breaker.level === level && breaker.state !== 'closed') === true;
const failed = ({ codes }: Scene): number => codes.filter((code) => code !== 0).length;
const all = ({ servers }: Scene, names: readonly (keyof Scene['servers'])[]) => names.map((name) => servers[name]);
const STABLES = ['stable1', 'stable2', 'remote1', 'remote2'] as const;

const PAGE: Expected = ['GraylaneCallsFailing', 'critical'];

const INCIDENTS: readonly Incident[] = [
  {
    name: 'canary ill',
    policy: README,
    fault: ({ servers }) => servers.canary.behave(FAILING),
    until: (scene) => isOpen(scene, 'endpoint'),
    expected: [['GraylaneFallbackServing', 'warning']],
  },
  {
    name: 'canary shed',
    policy: { ...README, breaker: { consecutiveFailures: 1_000, volumeThreshold: 1_000 } },
    fault: ({ servers }) => servers.canary.behave(FAILING),
    until: (scene) => isOpen(scene, 'subset'),
    expected: [['GraylaneFallbackServing', 'warning']],
  },
  {
    name: 'strict route alone ill',
    policy: { ...README, routes: README.routes?.slice(0, 1) ?? [] },
    labels: testers,
    fault: ({ servers }) => servers.canary.behave(FAILING),
    until: (scene) => failed(scene) > 5,
    expected: [['GraylaneRouteFailing', 'warning']],
  },
  {
    name: 'the false page of 0.1: an ill canary, with testers',
    policy: README,
    labels: testers,
    fault: ({ servers }) => servers.canary.behave(FAILING),
    until: (scene) => isOpen(scene, 'subset') && failed(scene) > 5,
    expected: [
      ['GraylaneRouteFailing', 'warning'],
      ['GraylaneFallbackServing', 'warning'],
    ],
  },
  {
    name: 'stable ill',
    policy: README,
    fault: (scene) => all(scene, STABLES).map((server) => server.behave({ code: grpc.status.INTERNAL })),
    until: (scene) => failed(scene) > 50,
    expected: [PAGE],
  },
  {
    name: 'one datacenter gone',
    policy: STABLE,
    fault: ({ servers }) => [servers.stable1, servers.stable2].map((server) => server.kill()),
    until: ({ servers }) => servers.remote1.calls > 20,
    expected: [['GraylaneCrossDatacenter', 'warning']],
  },
  {
    name: 'policy refused',
    policy: README,
    fault: ({ putPolicy }) => putPolicy({ ...README, default: 'nobody' }),
    until: (scene) => inspected(scene)?.policy.rejected !== undefined,
    expected: [['GraylanePolicyRejected', 'warning']],
  },
  {
    name: 'typo: the default subset is empty',
    policy: README,
    fault: ({ putPolicy }) => putPolicy(TYPO),
    until: (scene) => failed(scene) > 50,
    expected: [PAGE],
  },
  {
    name: "typo: the canary's subset is empty",
    policy: README,
    fault: ({ putPolicy }) => putPolicy(CANARY_TYPO),
    until: (scene) => inspected(scene)?.policy.document?.subsets?.['canary']?.tags?.[0] === 'canray',
    expected: [['GraylaneFallbackServing', 'warning']],
  },
  {
    name: 'retry budget spent',
    policy: { ...STABLE, retryBudget: { percent: 1, minPerSecond: 0 } },
    // Of few calls that a busy machine makes, 2 % that are lost stay below the 5 % of the page. The budget looks back ten
    // seconds: once in these it is free again, and for two or three seconds no retry is refused.
    illMs: 11_000,
    fault: (scene) => all(scene, STABLES).map((server) => server.behave({ ...FAILING, every: 33 })),
    until: (scene) => failed(scene) > 3,
    expected: [['GraylaneRetryBudgetSpent', 'warning']],
  },
  {
    name: 'breaker stuck open',
    policy: STABLE,
    fault: ({ servers }) => servers.stable1.behave(FAILING),
    until: (scene) => isOpen(scene, 'endpoint'),
    expected: [['GraylaneEndpointsHeldOut', 'warning']],
  },
  {
    name: 'all shed',
    policy: README,
    fault: (scene) => all(scene, [...STABLES, 'canary']).map((server) => server.behave(FAILING)),
    until: (scene) => failed(scene) > 100,
    expected: [PAGE],
  },
  {
    name: 'stale policy',
    policy: README,
    fault: ({ forbidPolicies }) => forbidPolicies(),
    until: (scene) => inspected(scene)?.policy.failure !== undefined,
    expected: [['GraylanePolicyStale', 'warning']],
  },
];

async function expectAlerts(recording: Recording, expected: readonly Expected[]): Promise<void> {
  expect(await judge(rules, recording, expected)).toBe('');
  expect(await judge(rules, recording, expected, asOthersSpell)).toBe('');
}

// They wait most of the time, each for a service of its own: several at once.
it.concurrent.for(sliceOf(INCIDENTS, 7))(
  '$name',
  { timeout: 60_000 },
  async ({ name, policy, labels, fault, until, illMs, expected }) => {
    const scene = await openScene(consul, name.replace(/[^a-z0-9]+/g, '-'), policy, labels);
    try {
      const recording = await scene.record(
        () => fault(scene),
        () => until(scene),
        { illMs },
      );
      await expectAlerts(recording, expected);
    } finally {
      await scene.close();
    }
  },
);

it('Consul down', { timeout: 60_000 }, async () => {
  const mortal = opened(await startConsul({ datacenters: ['dc1', 'dc2'] }), (each) => each.stop());
  const scene = opened(await openScene(mortal, 'consul-down', README), (each) => each.close());
  const recording = await scene.record(
    () => mortal.dc('dc1').kill(),
    () => inspected(scene)?.datacenters.every(({ freshness }) => freshness !== 'fresh') === true,
  );
  await expectAlerts(recording, [['GraylaneDiscoveryStale', 'warning']]);
});

it('a remote datacenter gone with its Consul', { timeout: 60_000 }, async () => {
  const mortal = opened(await startConsul({ datacenters: ['dc1', 'dc2'] }), (each) => each.stop());
  const scene = opened(await openScene(mortal, 'dc2-gone', README), (each) => each.close());
  const recording = await scene.record(
    async () => {
      for (const server of all(scene, ['remote1', 'remote2'])) server.kill();
      await mortal.dc('dc2').kill();
    },
    () => inspected(scene)?.datacenters.some(({ freshness }) => freshness !== 'fresh') === true,
  );
  await expectAlerts(recording, [['GraylaneDiscoveryStale', 'warning']]);
});

it('rollout taken back', { timeout: 60_000 }, async () => {
  const scene = opened(await openScene(consul, 'rollout-taken-back', README), (each) => each.close());
  const controller = opened(await startCollector(consul, scene.service), (each) => each.close());
  const recording = await scene.record(
    () => controller.takeBack(),
    () => true,
    { more: controller.metrics },
  );
  await expectAlerts(recording, [['GraylaneRolloutTakenBack', 'warning']]);
});
