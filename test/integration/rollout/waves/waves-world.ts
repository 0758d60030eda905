import type { ConsulClient } from '../../../../src/consul/client';
import type { Measurement } from '../../../../src/ops/rollout/analysis/subset-metrics';
import { reconcile } from '../../../../src/ops/rollout/reconcile';
import type { RolloutRecord } from '../../../../src/ops/rollout/record';
import { createRolloutStore } from '../../../../src/ops/rollout/store';
import { beginWaves } from '../../../../src/ops/rollout/waves/control';
import type { WavesDocument } from '../../../../src/ops/rollout/waves/document';
import { reconcileWaves, type WavesContext } from '../../../../src/ops/rollout/waves/reconcile';
import { createWavesStore, type WavesRecord } from '../../../../src/ops/rollout/waves/record';
import { verifyHistory } from '../../../../src/ops/store/history';
import { documentText } from '../../../../src/ops/store/policy-text';
import type { PolicyDocument } from '../../../../src/policy/document';
import { applied, canaryShare, type RolloutWorld, splitPolicy } from '../rollout-world';

export const DATACENTERS = ['dc1', 'dc2', 'dc3'] as const;

const GOOD: Measurement = { canary: { calls: 10_000, failures: 0 }, stable: { calls: 10_000, failures: 0 } };
export const BAD: Measurement = { canary: { calls: 10_000, failures: 2_000 }, stable: { calls: 10_000, failures: 0 } };

/** One service in three datacenters, one after the other: 50 %, judged, 100 %. */
export function wavesOf(name: string, change: Partial<WavesDocument> = {}): WavesDocument {
  return {
    schema: 1,
    name,
    rollout: {
      canary: 'canary',
      stable: 'stable',
      steps: [
        { setRoute: { name: 'testers', match: { labels: { 'x-gray': 'canary' } } } },
        { setWeight: 50 },
        { analysis: { intervalMs: 100, count: 1, checks: [{ check: 'request-success-rate' }] } },
        { setWeight: 100 },
      ],
    },
    waves: DATACENTERS.map((datacenter) => ({ members: [{ service: name, datacenter }] })),
    ...change,
  };
}

type WavesOverloads = ReturnType<RolloutWorld['deps']>['overloads'];

export interface Measured {
  /** Of each datacenter; default `GOOD`. */
  readonly measured?: Readonly<Record<string, Measurement>>;
  readonly client?: ConsulClient;
  readonly tickMs?: number;
  readonly refusals?: Readonly<Record<string, string>>;
  readonly overloads?: WavesOverloads;
}

/** What drives waves and their members, with time that passes by `tickMs` at each look. */
export function wavesContext(
  world: RolloutWorld,
  { measured = {}, client = world.client, tickMs = 40, refusals = {}, overloads }: Measured = {},
): WavesContext {
  const base = world.deps({ client, tickMs, ...(overloads === undefined ? {} : { overloads }) });
  return {
    waves: createWavesStore(client),
    contextOf: (datacenter) => ({
      ...base,
      rollouts: createRolloutStore(client, datacenter),
      measure: async () => measured[datacenter ?? ''] ?? GOOD,
    }),
    refusalOf: async (_, datacenter) => refusals[datacenter ?? ''],
    now: base.now,
    name: 'controller',
  };
}

/** Puts a policy with 0 % canary in force everywhere, and starts the waves. */
export async function beginThem(
  world: RolloutWorld,
  document: WavesDocument,
  policy: (service: string) => PolicyDocument = (service) => splitPolicy(service, 0),
): Promise<void> {
  for (const { service, datacenter } of document.waves.flatMap(({ members }) => members)) {
    const before = await world.policies.read(service, datacenter);
    const written = await world.policies.write({ before, ...applied, text: documentText(policy(service)) });
    if (written.kind !== 'written') throw new Error(`policy of ${service} in ${datacenter}: ${written.kind}`);
  }
  const waves = createWavesStore(world.client);
  const begun = await beginWaves(document, { waves, by: 'tester', now: Date.now }, wavesContext(world));
  if (begun.kind === 'refused') throw new Error(begun.reason);
}

export interface Sessions {
  readonly home: string;
  readonly of: Readonly<Record<string, string>>;
  end(): Promise<void>;
}

/** A session for the waves, and one in each datacenter, as a controller has them. */
export async function openSessions(world: RolloutWorld): Promise<Sessions> {
  const open = async (datacenter: string): Promise<{ id: string; end(): Promise<void> }> => {
    const agent = world.consul.dc(datacenter);
    const answer = await agent.request('PUT', '/v1/session/create', { TTL: '60s', LockDelay: '0s' });
    const { ID: id } = (await answer.json()) as { readonly ID: string };
    return { id, end: async () => void (await (await agent.request('PUT', `/v1/session/destroy/${id}`)).text()) };
  };
  const home = await open('dc1');
  const others = await Promise.all(DATACENTERS.map(open));
  return {
    home: home.id,
    of: Object.fromEntries(DATACENTERS.map((datacenter, at) => [datacenter, others[at]?.id ?? ''])),
    end: async () => void (await Promise.all([home, ...others].map(({ end }) => end()))),
  };
}

/** One controller, which leads the waves and the rollouts of all datacenters, until the waves have ended or `until` holds. */
export async function driveThem(
  name: string,
  sessions: Sessions,
  deps: WavesContext,
  until: (record: WavesRecord) => boolean = () => false,
): Promise<WavesRecord> {
  for (let turn = 0; turn < 400; turn += 1) {
    const driven = await reconcileWaves(name, sessions.home, deps);
    if (driven.kind === 'ended' || ('record' in driven && until(driven.record))) return driven.record;
    for (const datacenter of DATACENTERS) {
      await reconcile(name, sessions.of[datacenter], deps.contextOf(datacenter));
    }
  }
  throw new Error(`${name}: not there after 400 turns`);
}

export async function recordIn(
  world: RolloutWorld,
  service: string,
  datacenter: string,
): Promise<RolloutRecord | undefined> {
  return (await createRolloutStore(world.client, datacenter).read(service)).record;
}

/** Weights of the canary in what rollouts have written in the datacenter; fails when the history is not one sound line. */
export async function writtenIn(world: RolloutWorld, service: string, datacenter: string): Promise<readonly number[]> {
  const stored = await world.policies.read(service, datacenter);
  const problems = verifyHistory(stored);
  if (problems.length > 0) throw new Error(problems.map(({ problem }) => problem).join('; '));
  return stored.history
    .filter(({ entry }) => entry?.kind === 'rollout')
    .map(({ entry }) => canaryShare(entry?.document ?? ''));
}
