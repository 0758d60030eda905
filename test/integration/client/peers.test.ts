import { metrics } from '@opentelemetry/api';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createGraylane, type Graylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type ScriptedRegistry, startScriptedRegistry } from '../../support/consul/scripted-registry';
import { GRAY_WITH_FALLBACK } from '../../support/gray-policy';
import { type Metering, startMetering } from '../../support/metering';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { healthEntry } from '../../support/scripted-consul';
import { until } from '../../support/until';
import { untilConnected } from '../../support/until-ready';

const opened = closeAfterEach();
const HERE = '/v1/health/service/payments';
const CLOUD = `${HERE} peer=cloud`;

let registry: ScriptedRegistry;
let metering: Metering;

beforeAll(() => {
  metering = startMetering();
  metrics.setGlobalMeterProvider(metering.provider);
});
afterAll(() => metrics.disable());
beforeEach(async () => {
  registry = opened(await startScriptedRegistry(), (it) => it.stop());
});

const policy: PolicyDocument = {
  ...GRAY_WITH_FALLBACK,
  locality: { failover: [{ peer: 'cloud' }] },
  retry: {},
};

/** The scripted answer is in the shape of the public API: Consul 1.8, which tests have, knows no peers. */
async function serve(path: string, name: string, tags: readonly string[] = ['stable']): Promise<PaymentsServer> {
  const server = opened(await startPaymentsServer({ name }), (it) => it.kill());
  // The peer calls its own datacenter dc1, too.
  const peer = path === CLOUD ? { PeerName: 'cloud' } : {};
  const entry = healthEntry(name, server.port, { Address: server.host, Tags: tags, ...peer }) as { Node: object };
  registry.set(path, { body: [{ ...entry, Node: { ...entry.Node, ...peer } }] });
  return server;
}

function open(more: GraylaneOptions = {}, lines: string[] = []): Graylane {
  const note = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug() {}, info: note, warn: note, error: note };
  const consul = { address: registry.address };
  return opened(createGraylane({ consul, policies: { payments: policy }, logger, ...more }), (it) => it.close());
}

function callsOf(graylane: Graylane): () => Promise<string> {
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  return async () => (await charge(client)).servedBy;
}

const service = (graylane: Graylane) => graylane.inspect().services[0] ?? expect.fail('no service');

it('serves when nobody here can, and is called by its own name wherever a datacenter is named', async () => {
  const here = await serve(HERE, 'here');
  await serve(CLOUD, 'there');
  const graylane = open();
  const call = callsOf(graylane);
  expect(await call()).toBe('here');
  await untilConnected(graylane);
  here.kill();
  await until(() => service(graylane).endpoints.some(({ failure }) => failure !== undefined));
  expect(await call()).toBe('there');

  expect(
    service(graylane).endpoints.map(({ instance, datacenter, subsets }) => [instance, datacenter, subsets]),
  ).toEqual([
    ['here', 'dc1', ['stable']],
    ['there', 'peer cloud', ['stable']],
  ]);
  expect(service(graylane).datacenters.map(({ datacenter }) => datacenter)).toEqual(['dc1']);
  expect(service(graylane).lookups).toMatchObject([{ service: 'payments', datacenter: 'peer cloud', local: false }]);
  const { tiers } = graylane.explain('payments', { method: '/shop.v1.Payments/Charge' });
  expect(tiers.map(({ datacenter, endpoints }) => [datacenter, endpoints.map(({ instance }) => instance)])).toEqual([
    ['dc1', ['here']],
    ['peer cloud', ['there']],
  ]);
  const collected = await metering.collect();
  expect(collected.sum('graylane.picks', { 'graylane.datacenter': 'peer cloud' })).toBe(1);
  const asked = registry.consul.requests.filter(({ path }) => path === HERE).map(({ query }) => query.get('peer'));
  expect(new Set(asked)).toEqual(new Set([null, 'cloud']));
});

it('comes after the subset here, and before its fallback, as another datacenter would', async () => {
  await serve(HERE, 'here');
  await serve(CLOUD, 'there', ['canary', 'stable']);
  const graylane = open();
  await callsOf(graylane)();
  const orderOf = (prefer: 'subset' | 'datacenter'): readonly string[] => {
    graylane.setPolicy('payments', { ...policy, locality: { ...policy.locality, prefer } });
    const request = { method: '/shop.v1.Payments/Charge', force: { subset: 'canary', strict: false } };
    return graylane.explain('payments', request).tiers.map((tier) => `${tier.subset} ${tier.datacenter}`);
  };
  expect(orderOf('subset')).toEqual(['canary dc1', 'canary peer cloud', 'stable dc1', 'stable peer cloud']);
  expect(orderOf('datacenter')).toEqual(['canary dc1', 'stable dc1', 'canary peer cloud', 'stable peer cloud']);
});

it('is waited for where nobody is here, and not where somebody is', async () => {
  registry.set(HERE, { body: [] });
  registry.set(CLOUD, undefined);
  const graylane = open();
  const first = callsOf(graylane)();
  await until(() => registry.consul.requests.some(({ query }) => query.get('peer') === 'cloud'));
  expect(service(graylane).pending).toContain('peer cloud: no answer yet');
  // As long as for another datacenter that stays silent; then calls fail at once.
  await expect(first).rejects.toMatchObject({ details: expect.stringMatching(/0 instances in local, peer cloud/) });

  await serve(HERE, 'here');
  expect(await callsOf(open())()).toBe('here');
});

it('whose instances may not be seen is told once, with the rights that it takes', async () => {
  await serve(HERE, 'here');
  registry.set(CLOUD, { body: [], headers: { 'X-Consul-Results-Filtered-By-ACLs': 'true' } });
  const lines: string[] = [];
  const graylane = open({}, lines);
  expect(await callsOf(graylane)()).toBe('here');
  await until(() => service(graylane).lookups[0]?.reason !== undefined);
  expect(service(graylane).lookups[0]?.reason).toMatch(/need service_prefix "" and node_prefix "" with read/);
  expect(lines.filter((line) => line.includes('"datacenter":"peer cloud"'))).toHaveLength(1);
});

it('keeps a filter of its own, and is not asked twice', async () => {
  const subsets = { stable: { filter: 'Service.Meta.version == v1' } };
  await serve(HERE, 'here');
  await serve(CLOUD, 'there');
  const graylane = open({ policies: { payments: { ...policy, subsets, default: 'stable' } } });
  expect(await callsOf(graylane)()).toBe('here');
  await until(() => service(graylane).endpoints.filter((each) => each.subsets.includes('stable')).length === 2);
  const asked = registry.consul.requests
    .filter(({ path, query }) => path === HERE && query.get('index') === null)
    .map(({ query }) => `${query.get('peer')} ${query.has('filter')}`);
  expect(asked.sort()).toEqual(['cloud false', 'cloud true', 'null false', 'null true']);
});

it('can be forced, and is left when the policy does not name it any more', async () => {
  await serve(HERE, 'here');
  await serve(CLOUD, 'there');
  const graylane = open();
  const call = callsOf(graylane);
  await call();
  await until(() => service(graylane).endpoints.length === 2);
  expect(await graylane.with({ force: { datacenter: 'peer cloud' } }, call)).toBe('there');
  graylane.setPolicy('payments', { ...policy, locality: { failover: [] } });
  expect(await call()).toBe('here');
  // Calls that were decided under the former policy may still need it until something changes here.
  registry.set(HERE, { body: [healthEntry('other', 1, { Address: '127.0.0.1', Tags: ['stable'] })] });
  await until(() => service(graylane).endpoints.every(({ instance }) => instance === 'other'));
  expect(service(graylane).lookups).toEqual([]);
});
