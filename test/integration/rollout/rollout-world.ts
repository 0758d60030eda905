import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { type ConsulClient, createConsulClient } from '../../../src/consul/client';
import { parseConsulOptions } from '../../../src/consul/options';
import { beginRollout } from '../../../src/ops/rollout/control';
import type { RolloutDocument } from '../../../src/ops/rollout/document';
import { type ReconcileResult, type RolloutContext, reconcile } from '../../../src/ops/rollout/reconcile';
import type { RolloutRecord } from '../../../src/ops/rollout/record';
import { createRolloutStore, type RolloutStore } from '../../../src/ops/rollout/store';
import { type StoredPolicy, verifyHistory } from '../../../src/ops/store/history';
import { createPolicyStore, type PolicyStore } from '../../../src/ops/store/policy-store';
import { documentText } from '../../../src/ops/store/policy-text';
import type { PolicyDocument } from '../../../src/policy/document';
import { type ConsulCluster, type StartConsulOptions, startConsul } from '../../support/consul/start';

/** One Consul and both stores, for all tests of a file. */
export interface RolloutWorld {
  readonly consul: ConsulCluster;
  readonly client: ConsulClient;
  readonly policies: PolicyStore;
  readonly rollouts: RolloutStore;
  /** What drives, with time that passes by `tickMs` at each look. */
  deps(
    settings?: Partial<RolloutContext> & { readonly client?: ConsulClient; readonly tickMs?: number },
  ): RolloutContext;
  /** A Consul session; `end` ends it, as Consul does when nobody renews it. */
  session(): Promise<{ readonly id: string; end(): Promise<void> }>;
  /** Puts a policy with 0 % canary in force and starts a rollout of it. */
  begin(service: string, change?: Partial<RolloutDocument>): Promise<RolloutRecord>;
  policy(service: string): Promise<StoredPolicy>;
  record(service: string): Promise<RolloutRecord>;
  /** Weights of the canary in what the rollout has written, oldest first; fails when the history is not one sound line. */
  written(service: string): Promise<readonly number[]>;
}

export function rolloutWorld(options: StartConsulOptions = {}): RolloutWorld {
  let consul: ConsulCluster | undefined;
  let client: ConsulClient | undefined;
  beforeAll(async () => {
    consul = await startConsul(options);
    client = clientOf(consul.dc('dc1').address);
  });
  afterAll(async () => {
    client?.close();
    await consul?.stop();
  });
  const known = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('Consul is not up yet');
    return value;
  };
  const world: RolloutWorld = {
    get consul() {
      return known(consul);
    },
    get client() {
      return known(client);
    },
    get policies() {
      return createPolicyStore({ client: world.client });
    },
    get rollouts() {
      return createRolloutStore(world.client);
    },
    deps({ client: other = world.client, tickMs = 0, ...more } = {}) {
      let late = 0;
      return {
        policies: createPolicyStore({ client: other }),
        rollouts: createRolloutStore(other),
        overloads: async () => [],
        measure: async () => ({ error: 'no figures' }),
        notify: async () => undefined,
        askGate: async () => ({ kind: 'open' }),
        askDeployment: async () => ({ kind: 'waiting', message: 'no deployment' }),
        now: () => {
          late += tickMs;
          return Date.now() + late;
        },
        name: 'controller',
        ...more,
      };
    },
    async session() {
      const answer = await world.consul.dc('dc1').request('PUT', '/v1/session/create', { TTL: '60s', LockDelay: '0s' });
      const { ID: id } = (await answer.json()) as { readonly ID: string };
      const end = async (): Promise<void> => {
        await (await world.consul.dc('dc1').request('PUT', `/v1/session/destroy/${id}`)).arrayBuffer();
      };
      return { id, end };
    },
    async begin(service, change = {}) {
      const { policies, rollouts } = world;
      const before = await policies.read(service, undefined);
      const written = await policies.write({ before, ...applied, text: documentText(splitPolicy(service, 0)) });
      if (written.kind !== 'written') throw new Error(`policy of ${service}: ${written.kind}`);
      const by = 'tester';
      const begun = await beginRollout(rolloutOf(service, change), { policies, rollouts, by, now: Date.now });
      if (begun.kind === 'refused') throw new Error(begun.reason);
      return begun.record;
    },
    policy: (service) => world.policies.read(service, undefined),
    async record(service) {
      const { record } = await world.rollouts.read(service);
      if (record === undefined) throw new Error(`no rollout of ${service}`);
      return record;
    },
    async written(service) {
      const stored = await world.policy(service);
      const problems = verifyHistory(stored);
      if (problems.length > 0) throw new Error(problems.map(({ problem }) => problem).join('; '));
      const own = stored.history.filter(({ entry }) => entry?.kind === 'rollout');
      return own.map(({ entry }) => canaryShare(entry?.document ?? ''));
    },
  };
  return world;
}

export function clientOf(address: string): ConsulClient {
  return createConsulClient(parseConsulOptions({ address }, {}), { clock: systemClock });
}

/** A change by a person. */
export const applied: {
  readonly kind: 'apply';
  readonly author: string;
  readonly message: string;
  readonly time: Date;
} = { kind: 'apply', author: 'somebody', message: 'by hand', time: new Date('2026-01-01T00:00:00Z') };

export function splitPolicy(service: string, canary: number, change: Partial<PolicyDocument> = {}): PolicyDocument {
  const split = [
    { to: 'stable', weight: 100 - canary },
    { to: 'canary', weight: canary },
  ];
  return {
    schema: 1,
    service,
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
    default: 'stable',
    routes: [{ name: 'everyone', split, stickBy: 'x-user-id' }],
    ...change,
  };
}

/** 5 -> 25 -> 50 -> 100 with a short pause at each, and testers first. */
export function rolloutOf(service: string, change: Partial<RolloutDocument> = {}): RolloutDocument {
  return {
    schema: 1,
    service,
    canary: 'canary',
    stable: 'stable',
    analysis: { background: false },
    steps: [
      { setRoute: { name: 'testers', match: { labels: { 'x-gray': 'canary' } } } },
      { setWeight: 5 },
      { pause: { durationMs: 50 } },
      { setWeight: 25 },
      { pause: { durationMs: 50 } },
      { setWeight: 50 },
      { pause: { durationMs: 50 } },
      { setWeight: 100 },
    ],
    ...change,
  };
}

export function canaryShare(text: string): number {
  const { routes = [] } = JSON.parse(text) as PolicyDocument;
  return routes.find(({ name }) => name === 'everyone')?.split?.find(({ to }) => to === 'canary')?.weight ?? Number.NaN;
}

/** Drives until `until` holds, or the rollout has ended. Fails after `most` turns. */
export async function drive(
  service: string,
  session: string,
  deps: RolloutContext,
  until: (driven: ReconcileResult) => boolean = () => false,
  most = 200,
): Promise<ReconcileResult> {
  for (let turn = 0; turn < most; turn += 1) {
    const driven = await reconcile(service, session, deps);
    if (driven.kind === 'ended' || until(driven)) return driven;
  }
  throw new Error(`${service}: not there after ${most} turns`);
}
