import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger';
import { spreadOfCount } from '../../support/chance';
import { type ChargeReply, charge, tally } from '../../support/payments';
import { isLong } from '../../support/slice';
import { type EntryWorld, grpcService, startEntryWorld, versions } from './config-entries';

const CALLS = isLong ? 1_000 : 400;
const byVersion = (reply: ChargeReply): string => reply.version;
const byServer = (reply: ChargeReply): string => reply.servedBy;

let world: EntryWorld;

beforeAll(async () => {
  world = await startEntryWorld();
});
afterAll(() => world.close());

/** Both versions in the first datacenter. */
async function serveVersions(service: string): Promise<void> {
  await world.serve(service, 'one', { version: 'v1' });
  await world.serve(service, 'two', { version: 'v2' });
}

async function caller(service: string): Promise<() => Promise<ChargeReply>> {
  const client = await world.client(world.open(), service);
  return () => charge(client);
}

/** Until the calls go to one server alone. A datacenter that comes back takes eleven seconds to have all of its own. */
async function settled(call: () => Promise<ChargeReply>, server: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (let inARow = 0; inARow < 20; ) {
    const { servedBy } = await call();
    inARow = servedBy === server ? inARow + 1 : 0;
    if (performance.now() > deadline) throw new Error(`calls go to ${servedBy} (expected: ${server})`);
    if (inARow === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('config entries of a real Consul, 1,000 calls each', () => {
  it('a router sends by header, path and method; what matches no route goes to the service', async () => {
    await serveVersions('routed');
    await world.write(grpcService('routed'), versions('routed', { DefaultSubset: 'v1' }), {
      Kind: 'service-router',
      Name: 'routed',
      Routes: [
        { Match: { HTTP: { QueryParam: [{ Name: 'a', Exact: 'b' }] } }, Destination: { ServiceSubset: 'v2' } },
        { Match: { HTTP: { Methods: ['GET'] } }, Destination: { ServiceSubset: 'v2' } },
        {
          Match: {
            HTTP: { PathPrefix: '/shop.v1.', Header: [{ Name: 'x-gray', Exact: 'canary' }], Methods: ['POST'] },
          },
          Destination: { ServiceSubset: 'v2' },
        },
      ],
    });
    const graylane = world.open();
    const client = await world.client(graylane, 'routed');
    const gray = await tally(CALLS / 2, byVersion, () => charge(client, { 'x-gray': 'canary' }));
    const plain = await tally(CALLS / 2, byVersion, () => charge(client));
    expect(Object.fromEntries(gray)).toEqual({ v2: CALLS / 2 });
    expect(Object.fromEntries(plain)).toEqual({ v1: CALLS / 2 });
    const { routing, tiers } = graylane.explain(graylane.target('routed', { policy: 'chain' }), {
      method: '/shop.v1.Payments/Charge',
      labels: { 'x-gray': 'canary' },
    });
    expect(routing.routes.map(({ result }) => result)).toEqual(['missed', 'missed', 'matched', 'skipped']);
    expect(tiers).toMatchObject([{ subset: 'v2', datacenter: 'dc1', endpoints: [{ instance: 'routed-two' }] }]);
    const { warnings, origin } = await world.until(graylane, 'routed', () => true);
    expect(origin).toBe('chain');
    expect(warnings.map(({ path }) => path)).toEqual([
      expect.stringMatching(/Routes\[0\]\.Match\.HTTP\.QueryParam$/),
      expect.stringMatching(/Routes\[1\]\.Match\.HTTP\.Methods$/),
    ]);
  });

  it('a splitter shares calls by weight', async () => {
    await serveVersions('split');
    await world.write(grpcService('split'), versions('split'), {
      Kind: 'service-splitter',
      Name: 'split',
      Splits: [
        { Weight: 75, ServiceSubset: 'v1' },
        { Weight: 25, ServiceSubset: 'v2' },
      ],
    });
    const counts = await tally(CALLS, byVersion, await caller('split'));
    expect(counts.get('v1')).toBeGreaterThan(CALLS * 0.75 - spreadOfCount(CALLS, CALLS / 4));
    expect(counts.get('v2')).toBeGreaterThan(CALLS / 4 - spreadOfCount(CALLS, CALLS / 4));
  });

  it('splitters that lead to splitters multiply', async () => {
    await serveVersions('outer');
    await serveVersions('inner');
    await world.write(
      grpcService('outer'),
      grpcService('inner'),
      versions('outer'),
      versions('inner'),
      {
        Kind: 'service-splitter',
        Name: 'inner',
        Splits: [
          { Weight: 50, ServiceSubset: 'v1' },
          { Weight: 50, ServiceSubset: 'v2' },
        ],
      },
      {
        Kind: 'service-splitter',
        Name: 'outer',
        Splits: [
          { Weight: 50, ServiceSubset: 'v1' },
          { Weight: 50, Service: 'inner' },
        ],
      },
    );
    const counts = await tally(CALLS, byVersion, await caller('outer'));
    // Half of the half goes to the other version.
    expect(Math.abs((counts.get('v2') ?? 0) - CALLS / 4)).toBeLessThan(spreadOfCount(CALLS, CALLS / 4));
    expect(counts.get('v1')).toBe(CALLS - (counts.get('v2') ?? 0));
  });

  it('a resolver goes to its default subset', async () => {
    await serveVersions('defaulted');
    await world.write(versions('defaulted', { DefaultSubset: 'v2' }));
    expect(Object.fromEntries(await tally(CALLS, byVersion, await caller('defaulted')))).toEqual({ v2: CALLS });
  });

  it('a resolver redirects to another service, and to another datacenter', async () => {
    await serveVersions('moved');
    await world.serve('target', 'three', { version: 'v3' });
    await world.serve('target', 'four', { version: 'v4', datacenter: 'dc2' });
    await world.write({ Kind: 'service-resolver', Name: 'moved', Redirect: { Service: 'target' } });
    const graylane = world.open();
    const client = await world.client(graylane, 'moved');
    expect(Object.fromEntries(await tally(CALLS, byServer, () => charge(client)))).toEqual({ three: CALLS });
    const { revision } = await world.until(graylane, 'moved', () => true);
    await world.write({
      Kind: 'service-resolver',
      Name: 'moved',
      Redirect: { Service: 'target', Datacenter: 'dc2' },
    });
    await world.until(graylane, 'moved', (policy) => policy.revision !== revision);
    await charge(client);
    await settled(() => charge(client), 'four');
    expect(Object.fromEntries(await tally(CALLS, byServer, () => charge(client)))).toEqual({ four: CALLS });
  });

  it('a resolver fails over across datacenters and services in order, and back', async () => {
    await world.serve('failing', 'near');
    await world.serve('failing', 'far', { datacenter: 'dc2' });
    await world.write({
      Kind: 'service-resolver',
      Name: 'failing',
      Failover: { '*': { Datacenters: ['dc2'] } },
    });
    const call = await caller('failing');
    expect(Object.fromEntries(await tally(CALLS, byServer, call))).toEqual({ near: CALLS });
    await world.consul.dc('dc1').setStatus('failing-near', 'critical');
    await settled(call, 'far');
    expect(Object.fromEntries(await tally(CALLS, byServer, call))).toEqual({ far: CALLS });
    await world.consul.dc('dc1').setStatus('failing-near', 'passing');
    await settled(call, 'near');

    await world.serve('spare', 'substitute');
    await world.serve('spared', 'regular');
    await world.write({ Kind: 'service-resolver', Name: 'spared', Failover: { '*': { Service: 'spare' } } });
    const other = await caller('spared');
    await world.consul.dc('dc1').setStatus('spared-regular', 'critical');
    await settled(other, 'substitute');
    expect(Object.fromEntries(await tally(CALLS, byServer, other))).toEqual({ substitute: CALLS });
  });

  it('OnlyPassing leaves instances with a warning out', async () => {
    await world.serve('careful', 'fit');
    await world.serve('careful', 'ailing', { status: 'warning' });
    await world.write({
      Kind: 'service-resolver',
      Name: 'careful',
      DefaultSubset: 'fit',
      Subsets: { fit: { OnlyPassing: true }, any: {} },
    });
    expect(Object.fromEntries(await tally(CALLS, byServer, await caller('careful')))).toEqual({ fit: CALLS });
    await world.write({
      Kind: 'service-resolver',
      Name: 'careful',
      DefaultSubset: 'any',
      Subsets: { fit: { OnlyPassing: true }, any: {} },
    });
    const counts = await tally(CALLS, byServer, await caller('careful'));
    expect(counts.get('ailing')).toBeGreaterThan(0);
  });

  it('a datacenter that is named as the local one has entries of its own', async () => {
    await world.serve('regional', 'near-dc1');
    await world.serve('regional', 'near-dc2', { datacenter: 'dc2' });
    const entry = { Kind: 'service-resolver', Name: 'regional', ConnectTimeout: '1s' };
    await (await world.consul.dc('dc2').request('PUT', '/v1/config', entry)).text();
    const graylane = world.open({ datacenters: ['dc2', 'dc1'] });
    const client = await world.client(graylane, 'regional');
    expect(await world.until(graylane, 'regional', () => true)).toMatchObject({ chain: { Datacenter: 'dc2' } });
    expect(Object.fromEntries(await tally(CALLS, byServer, () => charge(client)))).toEqual({ 'near-dc2': CALLS });
    expect(graylane.inspect().services[0]?.lookups).toMatchObject([
      { service: 'regional', datacenter: 'dc2', instances: 1 },
    ]);
  });

  it('says whom it waits for when a target cannot be looked up', async () => {
    await world.serve('lost', 'anybody');
    await world.write({ Kind: 'service-resolver', Name: 'lost', Redirect: { Service: 'lost', Datacenter: 'dc9' } });
    const graylane = world.open({ logger: silentLogger });
    const target = graylane.target('lost', { policy: 'chain' });
    await expect(graylane.ready(target, { timeoutMs: 500 })).rejects.toThrow(
      /lost: instances not known from Consul \(dc9: no path to datacenter dc9; known: dc1, dc2/,
    );
  });
});
