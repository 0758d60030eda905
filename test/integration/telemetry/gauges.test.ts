import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SDK_VERSION } from '../../../src/base/sdk-version';
import { createGraylane, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { type Collection, type Metering, startMetering } from '../../support/metering';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

const afterTest = closeAfterEach();
let consul: ConsulCluster;
let servers: PaymentsServer[];

beforeAll(async () => {
  consul = await startConsul();
  servers = await Promise.all(
    ['s1', 's2', 'c1'].map((name) => startPaymentsServer({ name, version: name === 'c1' ? 'canary' : 'stable' })),
  );
});

afterAll(async () => {
  for (const server of servers) server.kill();
  await consul.stop();
});

let services = 0;

async function open(policy: object): Promise<{ graylane: Graylane; metering: Metering; service: string }> {
  services += 1;
  const service = `payments-${services}`;
  for (const { name, host, port, version } of servers) {
    await consul.dc('dc1').register({ name: service, id: `${service}-${name}`, address: host, port, tags: [version] });
  }
  await consul.dc('dc1').putKv(`graylane/policies/${service}`, JSON.stringify({ schema: 1, service, ...policy }));
  const metering = startMetering();
  const graylane = afterTest(
    createGraylane({
      name: 'shop',
      consul: { address: consul.dc('dc1').address },
      telemetry: { meterProvider: metering.provider },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    }),
    (each) => each.close(),
  );
  return { graylane, metering, service };
}

const SUBSETS = {
  subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
  default: 'stable',
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
};

async function eventually(metering: Metering, check: (collected: Collection) => void): Promise<void> {
  await vi.waitFor(async () => check(await metering.collect()), { timeout: 8_000, interval: 50 });
}

describe('gauges', () => {
  it('show endpoints by state, also where there are none', async () => {
    const { graylane, metering, service } = await open(SUBSETS);
    await graylane.ready(service);
    const state = (subset: string, of: string) => ({
      'graylane.client': 'shop',
      'graylane.service': service,
      'graylane.subset': subset,
      'graylane.datacenter': 'dc1',
      'graylane.default': subset === 'stable',
      'graylane.state': of,
    });
    // A channel is what connects.
    paymentsClient(graylane.target(service), graylane.clientOptions()).waitForReady(Date.now() + 5_000, () => {});
    await eventually(metering, (collected) => {
      expect(collected.sum('graylane.endpoints', state('stable', 'ready'))).toBe(2);
      expect(collected.sum('graylane.endpoints', state('canary', 'ready'))).toBe(1);
    });
    await consul.dc('dc1').setStatus(`${service}-c1`, 'critical');
    await eventually(metering, (collected) => {
      expect(collected.sum('graylane.endpoints', state('canary', 'critical'))).toBe(1);
      expect(collected.points('graylane.endpoints')).toContainEqual({ labels: state('canary', 'ready'), value: 0 });
    });
  });

  it('show the Consul index of the policy in force and of the one that was refused', async () => {
    const { graylane, metering, service } = await open(SUBSETS);
    await graylane.ready(service);
    const indexOf = async (): Promise<number> => Number(graylane.inspect().services[0]?.policy.index);
    const first = await indexOf();
    expect(first).toBeGreaterThan(0);
    const applied = { 'graylane.state': 'applied' };
    const rejected = { 'graylane.state': 'rejected' };
    const before = await metering.collect();
    expect(before.sum('graylane.policy.index', applied)).toBe(first);
    expect(before.sum('graylane.policy.index', rejected)).toBe(0);
    expect(before.sum('graylane.policy.applied')).toBe(1);
    expect(before.sum('graylane.policy.revision').toString(16).padStart(12, '0')).toBe(
      graylane.inspect().services[0]?.policy.revision,
    );
    await consul.dc('dc1').putKv(`graylane/policies/${service}`, '{"schema":1,"service":"other"}');
    await eventually(metering, (collected) => {
      expect(collected.sum('graylane.policy.index', applied)).toBe(first);
      expect(collected.sum('graylane.policy.index', rejected)).toBeGreaterThan(first);
      expect(collected.sum('graylane.policy.rejected')).toBe(1);
    });
    await consul
      .dc('dc1')
      .putKv(
        `graylane/policies/${service}`,
        JSON.stringify({ schema: 1, service, ...SUBSETS, override: { to: 'stable', until: '2999-01-01T00:00:00Z' } }),
      );
    await eventually(metering, (collected) => {
      expect(collected.sum('graylane.override')).toBe(1);
      expect(collected.sum('graylane.policy.applied')).toBe(2);
      expect(collected.sum('graylane.policy.index', applied)).toBeGreaterThan(
        collected.sum('graylane.policy.index', rejected),
      );
    });
  });

  it('show breakers, panic and a retry budget that is spent', async () => {
    const { graylane, metering, service } = await open({
      ...SUBSETS,
      retry: {},
      retryBudget: { percent: 10, minPerSecond: 0 },
      breaker: { consecutiveFailures: 1_000, errorThresholdPercentage: 100, volumeThreshold: 1_000 },
    });
    const client = paymentsClient(graylane.target(service), graylane.clientOptions());
    await graylane.ready(service);
    expect((await metering.collect()).sum('graylane.retry.budget')).toBe(1);
    for (const server of servers) server.behave({ code: grpc.status.UNAVAILABLE });
    try {
      for (let call = 0; call < 60; call += 1) await charge(client, { 'x-gray': 'canary' }).catch(() => {});
      const spent = await metering.collect();
      expect(spent.sum('graylane.retry.budget')).toBeLessThan(0.2);
      expect(spent.sum('graylane.retry.refused')).toBeGreaterThan(20);
      const canary = { 'graylane.level': 'subset', 'graylane.subset': 'canary', 'graylane.datacenter': 'dc1' };
      expect(spent.sum('graylane.breaker.openings', canary)).toBe(1);
      expect(spent.sum('graylane.breaker.state', { ...canary, 'graylane.state': 'open' })).toBe(1);
      expect(spent.sum('graylane.breaker.state', { ...canary, 'graylane.state': 'closed' })).toBe(0);
    } finally {
      for (const server of servers) server.behave(undefined);
    }
  });

  it('show panic, when nobody is fit to serve', async () => {
    const { graylane, metering, service } = await open({
      subsets: { stable: { tags: ['stable'] } },
      breaker: { consecutiveFailures: 2, maxEjectionPercentage: 100 },
      retry: {},
      retryBudget: { percent: 100, minPerSecond: 100 },
    });
    const client = paymentsClient(graylane.target(service), graylane.clientOptions());
    await graylane.ready(service);
    for (const server of servers) server.behave({ code: grpc.status.UNAVAILABLE });
    try {
      for (let call = 0; call < 30; call += 1) await charge(client).catch(() => {});
    } finally {
      for (const server of servers) server.behave(undefined);
    }
    const collected = await metering.collect();
    expect(collected.sum('graylane.panic', { 'graylane.subset': 'stable' })).toBeGreaterThan(0);
    expect(collected.sum('graylane.endpoints', { 'graylane.state': 'ejected' })).toBe(2);
  });

  it('count what the policy asks for and cannot have', async () => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const override = { datacenter: 'dc9', until, by: 'ops', reason: 'incident 42' };
    const { graylane, metering, service } = await open({ ...SUBSETS, override });
    await graylane.ready(service);
    expect((await metering.collect()).sum('graylane.policy.shortfalls')).toBe(1);
    const sound = await open(SUBSETS);
    await sound.graylane.ready(sound.service);
    expect((await sound.metering.collect()).points('graylane.policy.shortfalls')).toMatchObject([{ value: 0 }]);
  });

  it('show how old the knowledge is, and what runs', async () => {
    const { graylane, metering, service } = await open(SUBSETS);
    await graylane.ready(service);
    const fresh = await metering.collect();
    expect(fresh.sum('graylane.discovery.staleness')).toBe(0);
    expect(fresh.sum('graylane.policy.staleness')).toBe(0);
    expect(fresh.sum('graylane.discovery.watch', { 'graylane.state': 'fresh' })).toBe(1);
    expect(fresh.points('graylane.build_info')).toEqual([
      { labels: { 'graylane.version': SDK_VERSION, 'process.runtime.version': process.version }, value: 1 },
    ]);
    const dark = startMetering();
    const blind = afterTest(
      createGraylane({
        consul: { address: 'http://127.0.0.1:9' },
        telemetry: { meterProvider: dark.provider },
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      }),
      (each) => each.close(),
    );
    await expect(blind.ready(service, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'NOT_READY' });
    const unknown = await dark.collect();
    expect(unknown.sum('graylane.discovery.watch', { 'graylane.state': 'pending' })).toBe(1);
    expect(unknown.sum('graylane.discovery.staleness')).toBeGreaterThan(0.25);
    expect(unknown.sum('graylane.policy.staleness')).toBeGreaterThan(0.25);
  });
});
