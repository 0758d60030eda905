import { beforeEach, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { registerInstance } from '../../../src/server';
import { closeAfterEach } from '../../support/closers';
import { type ScriptedRegistry, startScriptedRegistry } from '../../support/consul/scripted-registry';
import { startConsul } from '../../support/consul/start';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { healthEntry } from '../../support/scripted-consul';
import { until } from '../../support/until';

const opened = closeAfterEach();
const HEALTH = '/v1/health/service/payments';

let registry: ScriptedRegistry;
/** Two servers of one instance: what listens at its two ports. */
let servers: { readonly web: PaymentsServer; readonly grpc: PaymentsServer };

beforeEach(async () => {
  registry = opened(await startScriptedRegistry(), (it) => it.stop());
  const [web, grpc] = await Promise.all(['web', 'grpc'].map((name) => startPaymentsServer({ name })));
  if (web === undefined || grpc === undefined) throw new Error('no servers');
  servers = { web: opened(web, (it) => it.kill()), grpc: opened(grpc, (it) => it.kill()) };
  list(instance('p1'));
});

/** As Consul 1.22 lists a service with several ports. */
function instance(
  id: string,
  names: readonly [string, string] = ['web', 'grpc'],
  tags: readonly string[] = [],
): object {
  const Ports = [
    { Name: names[0], Port: servers.web.port, Default: true },
    { Name: names[1], Port: servers.grpc.port },
  ];
  return healthEntry(id, 0, { Address: '127.0.0.1', Ports, Tags: tags });
}

function list(...entries: readonly object[]): void {
  registry.set(HEALTH, { body: entries });
}

function open(policy?: PolicyDocument): Graylane {
  const policies = policy === undefined ? {} : { policies: { payments: policy } };
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  return opened(createGraylane({ consul: { address: registry.address }, logger, ...policies }), (it) => it.close());
}

async function servedBy(graylane: Graylane, target: string, labels = {}): Promise<string> {
  const client = opened(paymentsClient(target, graylane.clientOptions()), (it) => it.close());
  return (await charge(client, labels)).servedBy;
}

describe('a service with several ports', () => {
  it('is called at its default port, or at the one that the target names, at the same time', async () => {
    const graylane = open();
    const plain = graylane.target('payments');
    const named = graylane.target('payments', { port: 'grpc' });
    expect(named).toBe('consul:///payments?port=grpc');
    expect(await servedBy(graylane, plain)).toBe('web');
    expect(await servedBy(graylane, named)).toBe('grpc');
    expect(await servedBy(graylane, 'consul:///payments?port=web')).toBe('web');
    expect(graylane.inspect().services.flatMap(({ endpoints }) => endpoints.map((each) => each.portName))).toEqual([
      'web',
      'grpc',
      'web',
    ]);
  });

  it('that has no port of the name fails its calls with the names that are there', async () => {
    const graylane = open();
    const target = graylane.target('payments', { port: 'gprc' });
    const client = opened(paymentsClient(target, graylane.clientOptions()), (it) => it.close());
    const failed = charge(client, {}, { deadline: Date.now() + 20_000 });
    const has = `no port is named gprc; it has web ${servers.web.port}, grpc ${servers.grpc.port}`;
    // At once: it is no use to wait for another answer.
    await expect(failed).rejects.toMatchObject({ code: 14, details: expect.stringContaining(`(p1: ${has})`) });
    // It comes.
    list(instance('p1', ['web', 'gprc']));
    await expect.poll(() => servedBy(graylane, target).catch(() => 'nobody')).toBe('grpc');
  });

  it('says which instances are left out, and why', async () => {
    list(instance('p1'), healthEntry('p2', 0, { Address: '127.0.0.1', SocketPath: '/run/p2.sock' }));
    const graylane = open();
    expect(await servedBy(graylane, graylane.target('payments'))).toBe('web');
    expect(graylane.inspect().services[0]?.datacenters[0]).toMatchObject({
      rejected: 1,
      faults: ['p2: is served at a Unix socket (SocketPath), not at an address and port'],
    });
  });

  it('keeps its connections when another port is added, and moves when its port does', async () => {
    const graylane = open();
    const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
    expect((await charge(client)).servedBy).toBe('web');
    const entry = instance('p1') as { readonly Service: { readonly Ports: readonly object[] } };
    list({ ...entry, Service: { ...entry.Service, Ports: [...entry.Service.Ports, { Name: 'x', Port: 1 }] } });
    const version = () => graylane.inspect().services[0]?.snapshot ?? 0;
    await until(() => version() > 1);
    expect((await charge(client)).servedBy).toBe('web');
    expect(servers.web.sessions.opened).toBe(1);
    const Ports = [...entry.Service.Ports].map((port, at) => ({ ...port, Default: at === 1 }));
    const before = version();
    list({ ...entry, Service: { ...entry.Service, Ports } });
    await until(() => version() > before);
    expect((await charge(client)).servedBy).toBe('grpc');
  });
});

describe('a subset with a port', () => {
  const policy: PolicyDocument = {
    schema: 1,
    service: 'payments',
    subsets: { site: {}, api: { port: 'grpc' } },
    default: 'site',
    routes: [{ name: 'api', match: { labels: { 'x-api': { present: true } } }, to: 'api' }],
  };

  it('is dialled there, by the same instances', async () => {
    const graylane = open(policy);
    const target = graylane.target('payments');
    expect(await servedBy(graylane, target)).toBe('web');
    expect(await servedBy(graylane, target, { 'x-api': '1' })).toBe('grpc');
    const { tiers } = graylane.explain('payments', {
      method: '/shop.v1.Payments/Charge',
      labels: { 'x-api': '1' },
    });
    expect(tiers[0]?.endpoints).toMatchObject([
      { endpoint: `127.0.0.1:${servers.grpc.port}`, portName: 'grpc', instance: 'p1', subsets: ['api'] },
    ]);
    const { unassigned, endpoints } = graylane.inspect().services[0] ?? expect.fail('no service');
    expect(unassigned).toEqual([]);
    expect(endpoints.map(({ portName, subsets }) => [portName, subsets])).toEqual([
      ['web', ['site']],
      ['grpc', ['api']],
    ]);
  });

  it('is the only one that is connected to where no other subset is', async () => {
    const graylane = open({ ...policy, subsets: { api: { port: 'grpc' } }, default: 'api', routes: [] });
    expect(await servedBy(graylane, graylane.target('payments'))).toBe('grpc');
    expect(graylane.inspect().services[0]?.endpoints.map(({ portName }) => portName)).toEqual(['grpc']);
    expect(servers.web.sessions.opened).toBe(0);
  });

  it('that nobody has is told by name', async () => {
    const graylane = open({ ...policy, subsets: { site: {}, api: { port: 'gprc', fallback: 'site' } } });
    expect(await servedBy(graylane, graylane.target('payments'), { 'x-api': '1' })).toBe('web');
    expect(graylane.inspect().services[0]?.policy.shortfalls).toEqual([
      {
        path: 'subsets.api.port',
        message: 'subsets.api.port: no instance has a port named gprc; the instances have grpc, web',
      },
    ]);
  });

  it('that nobody has fails the calls of a strict subset by that name', async () => {
    const graylane = open({ ...policy, subsets: { site: {}, api: { port: 'gprc' } } });
    await expect(servedBy(graylane, graylane.target('payments'), { 'x-api': '1' })).rejects.toMatchObject({
      details: 'payments/api: 1 registered in dc1, none in api (port: gprc); did you mean port grpc?; fallback none',
    });
  });

  it('takes only what has the port, where some have several and some have one', async () => {
    const old = healthEntry('p0', servers.web.port, { Address: '127.0.0.2' });
    list(old, instance('p1', ['http', 'grpc']));
    const graylane = open(policy);
    const target = graylane.target('payments');
    for (let call = 0; call < 5; call += 1) expect(await servedBy(graylane, target, { 'x-api': '1' })).toBe('grpc');
  });
});

describe('registered at a real Consul', () => {
  it('is called at each of its ports where Consul keeps them (1.22 does), at its own one everywhere', async () => {
    const consul = opened(await startConsul(), (it) => it.stop());
    const { address } = consul.dc('dc1');
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const port = servers.web.port;
    const ports = { web: port, grpc: servers.grpc.port };
    const own = { name: 'payments', address: '127.0.0.1', port, ports, check: 'none', settleMs: 0 } as const;
    const registration = registerInstance({ ...own, consul: { address }, logger });
    opened(registration, (it) => it.stop());
    await registration.registered();
    const graylane = opened(createGraylane({ consul: { address }, logger }), (it) => it.close());
    expect(await servedBy(graylane, graylane.target('payments'))).toBe('web');
    const listed = (await (await consul.dc('dc1').request('GET', HEALTH)).json()) as [
      { Service: { Ports?: object[] } },
    ];
    const named = servedBy(graylane, graylane.target('payments', { port: 'grpc' }));
    if (listed[0].Service.Ports?.length === 2) expect(await named).toBe('grpc');
    else await expect(named).rejects.toMatchObject({ details: expect.stringContaining('no port is named grpc') });
  });
});

describe('a list that was written down', () => {
  it('may have ports by name', async () => {
    const { port } = servers.web;
    const graylane = opened(
      createGraylane({
        instances: { payments: [{ address: '127.0.0.1', port, ports: { web: port, grpc: servers.grpc.port } }] },
        policies: { payments: { schema: 1, service: 'payments', subsets: { api: { port: 'grpc' } } } },
      }),
      (it) => it.close(),
    );
    expect(await servedBy(graylane, graylane.target('payments'))).toBe('grpc');
    const wrong = [{ address: '127.0.0.1', port, ports: { web: 0 } }];
    expect(() => graylane.setInstances('payments', wrong)).toThrow(
      /ports: \{"web":0\} \(expected: ports, 1..65535, by name/,
    );
  });
});
