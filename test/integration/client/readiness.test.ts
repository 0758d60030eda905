import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { freePorts } from '../../support/consul/ports';
import { startConsul } from '../../support/consul/start';
import { CHARGE, charge, type PaymentsClient, paymentsClient } from '../../support/payments';
import { policy, startTwoDatacenters, type TwoDatacenters } from './two-datacenters';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const closing = closeAfterEach();
let world: TwoDatacenters;

beforeEach(async () => {
  world = closing(await startTwoDatacenters(), (one) => one.kill());
});
afterEach(() => vi.unstubAllEnvs());

function open(options: GraylaneOptions = {}): Graylane {
  const graylane = createGraylane({
    datacenters: ['dc1', 'dc2'],
    logger: silent,
    ...(options.consul === undefined ? { instances: { payments: world.instances } } : {}),
    ...options,
  });
  return closing(graylane, (opened) => opened.close());
}

const clientOf = (graylane: Graylane): PaymentsClient =>
  paymentsClient(graylane.target('payments'), graylane.clientOptions());
const notReady = (says: RegExp): unknown =>
  expect.objectContaining({ code: 'NOT_READY', message: expect.stringMatching(says) });
const soon = { timeoutMs: 300 };

describe('graylane.ready', () => {
  it('resolves when a call would be answered at once, with and without a channel', async () => {
    const graylane = open({ policies: { payments: policy } });
    await graylane.ready('payments');
    const client = clientOf(graylane);
    await graylane.ready('payments');
    expect(client.getChannel().getConnectivityState(false)).toBe(grpc.connectivityState.READY);
  });

  it('says when it is Consul that has not answered', async () => {
    const graylane = open({ consul: { address: 'http://127.0.0.1:1' } });
    await expect(graylane.ready('payments', soon)).rejects.toEqual(
      notReady(/after 300 ms: payments: instances not known from Consul .*ECONNREFUSED.*policy not known/),
    );
  });

  it('says when there is no usable instance of the default subset, and where', async () => {
    const graylane = open({
      policies: { payments: policy },
      instances: {
        payments: [
          { address: '127.0.0.1', port: 1, tags: ['canary'], datacenter: 'dc1' },
          { address: '127.0.0.1', port: 2, tags: ['stable'], datacenter: 'dc2', status: 'critical' },
        ],
      },
    });
    await expect(graylane.ready('payments', soon)).rejects.toEqual(
      notReady(/payments\/stable: 0 usable instances in dc1, dc2/),
    );
  });

  it('says when nobody can be connected to, and why', async () => {
    const [port = 1] = await freePorts('127.0.0.1', 1);
    const graylane = open({ instances: { payments: [{ address: '127.0.0.1', port }] } });
    clientOf(graylane);
    await expect(graylane.ready('payments', soon)).rejects.toEqual(
      notReady(/no connection to any of 1 instances yet \(last failure: .*ECONNREFUSED/),
    );
  });

  it('rejects a service name that cannot be one', async () => {
    await expect(open().ready('a b')).rejects.toMatchObject({ code: 'INVALID_TARGET' });
  });
});

describe('requirePolicy', () => {
  it('refuses the calls of a service without one, until it has one', async () => {
    const consul = closing(await startConsul(), (one) => one.stop());
    const dc1 = consul.dc('dc1');
    for (const { name, host, port, version } of world.servers.filter((server) => server.datacenter === 'dc1')) {
      await dc1.register({ name: 'payments', id: name, address: host, port, tags: [version] });
    }
    const graylane = open({ consul: { address: dc1.address }, datacenters: ['dc1'], requirePolicy: true });
    const client = clientOf(graylane);
    await expect(charge(client)).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringMatching(/payments: no policy was found.*requirePolicy/),
    });
    await expect(graylane.ready('payments', soon)).rejects.toEqual(notReady(/requirePolicy/));
    expect(graylane.inspect().services[0]?.pending).toMatch(/requirePolicy/);
    expect(world.servers.reduce((sum, server) => sum + server.calls, 0)).toBe(0);
    await dc1.putKv('graylane/policies/payments', JSON.stringify(policy));
    await graylane.ready('payments');
    expect((await charge(client)).servedBy).toBe('stable-dc1');
    // Once there was one, a deleted key is no reason to refuse.
    await dc1.deleteKv('graylane/policies/payments');
    await expect.poll(() => graylane.inspect().services[0]?.policy.isOrphaned).toBe(true);
    expect((await charge(client)).servedBy).toBe('stable-dc1');
  });
});

describe('an override', () => {
  const override = { to: 'canary', by: 'ops@example', reason: 'incident 42' };
  const inMs = (milliseconds: number): string => new Date(Date.now() + milliseconds).toISOString();

  it('in the policy beats routes until its time has come, without anybody writing again', async () => {
    const graylane = open({ policies: { payments: { ...policy, override: { ...override, until: inMs(1_500) } } } });
    const client = clientOf(graylane);
    expect((await charge(client)).servedBy).toBe('canary-dc1');
    expect(graylane.explain('payments', { method: CHARGE }).routing).toMatchObject({
      decision: { by: 'override', subset: 'canary' },
      override: { inForce: true, origin: 'policy', by: 'ops@example', reason: 'incident 42' },
    });
    await expect.poll(async () => (await charge(client)).servedBy, { timeout: 5_000 }).toBe('stable-dc1');
    expect(graylane.explain('payments', { method: CHARGE }).routing.override?.inForce).toBe(false);
  });

  it('in the policy whose time is past changes nothing', async () => {
    const graylane = open({ policies: { payments: { ...policy, override: { ...override, until: inMs(-1_000) } } } });
    expect((await charge(clientOf(graylane))).servedBy).toBe('stable-dc1');
  });

  it('from the environment beats the policy, for its service alone; force beats it', async () => {
    vi.stubEnv('GRAYLANE_OVERRIDE', 'orders:stable, payments:canary');
    const graylane = open({ policies: { payments: policy } });
    const client = clientOf(graylane);
    expect((await charge(client)).servedBy).toBe('canary-dc1');
    expect(graylane.explain('payments', { method: CHARGE }).routing).toMatchObject({
      decision: { by: 'override' },
      override: { inForce: true, origin: 'environment' },
    });
    const forced = await graylane.with({ force: { subset: 'stable' } }, () => charge(client));
    expect(forced.servedBy).toBe('stable-dc1');
  });

  it('from the environment holds calls to a datacenter, by the routes they have', async () => {
    vi.stubEnv('GRAYLANE_OVERRIDE', 'payments:datacenter=dc2');
    const client = clientOf(open({ policies: { payments: policy } }));
    expect((await charge(client)).servedBy).toBe('stable-dc2');
    expect((await charge(client, { 'x-gray': 'canary' })).servedBy).toBe('canary-dc2');
  });

  it('from the environment that cannot be read stops the Graylane client from opening', () => {
    vi.stubEnv('GRAYLANE_OVERRIDE', 'payments');
    expect(() => open()).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('GRAYLANE_OVERRIDE') }),
    );
  });
});
