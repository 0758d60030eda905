import { describe, expect, it } from 'vitest';
import { askAgentZone } from '../../../../src/consul/agent-self';
import { parseHealth } from '../../../../src/consul/health-answer';
import { exportChain } from '../../../../src/ops/chain/export';
import { compileChain } from '../../../../src/policy/chain/compile';
import { compilePolicy } from '../../../../src/policy/compile';
import { closeAfterEach } from '../../../support/closers';
import { type Json, MINORS, type Minor, type Shapes, shapesOf } from '../../../support/consul/shapes';
import { reply, startScriptedConsul } from '../../../support/scripted-consul';
import { openSource, record } from '../../../unit/client/discovery/consul/recorder';

const opened = closeAfterEach();

/** A server that sends these shapes; nothing changes at it. */
async function serve(shapes: Shapes): Promise<string> {
  const scripted = opened(await startScriptedConsul(), (it) => it.stop());
  const answers: Readonly<Record<string, unknown>> = {
    '/v1/health/service/payments': shapes.health,
    '/v1/health/service/payments peer=cloud': shapes.peerHealth ?? [],
    '/v1/catalog/services': shapes.services,
    '/v1/catalog/service/payments': shapes.catalog,
    '/v1/discovery-chain/payments': { Chain: shapes.chain },
    '/v1/agent/self': shapes.self,
    ...Object.fromEntries(Object.entries(shapes.entries).map(([kind, one]) => [`/v1/config/${kind}/payments`, one])),
  };
  scripted.answer(({ path, query }, response) => {
    if (query.has('index')) return;
    const peer = query.get('peer');
    const body = answers[peer === null ? path : `${path} peer=${peer}`];
    reply(response, body === undefined ? { status: 404, body: '' } : { index: '21', body });
  });
  return scripted.address;
}

const common = { datacenter: 'dc1', port: 50_051, tags: ['stable'], meta: { version: 'v1' } };

/** What must be made of the health answer, whatever else a version sends. */
function expected(minor: Minor): readonly object[] {
  const several = {
    portName: 'grpc',
    ports: [
      { name: 'metrics', port: 9090 },
      { name: 'grpc', port: 50_051 },
    ],
  };
  const more = minor >= 22 ? several : {};
  const region = minor >= 16 ? { region: 'eu-north-1' } : {};
  const zone = (name: string): string | undefined => (minor >= 16 ? `eu-north-1${name}` : undefined);
  return [
    {
      ...common,
      key: 'dc1/node-1/payments-1',
      id: 'payments-1',
      node: 'node-1',
      address: '10.0.0.1',
      zone: zone('a'),
      ...region,
      ...more,
      status: 'passing',
      weight: 3,
    },
    {
      ...common,
      key: 'dc1/node-2/payments-2',
      id: 'payments-2',
      node: 'node-2',
      address: '10.0.0.9',
      zone: zone('b'),
      ...region,
      ...more,
      status: 'warning',
      weight: 1,
    },
  ];
}

describe.each(MINORS)('a server of Consul 1.%i', (minor) => {
  const shapes = shapesOf(minor);

  it('lists instances that are read right, and an agent that says where it is', async () => {
    const bench = opened(openSource({ address: await serve(shapes) }), (it) => it.close());
    const seen = record(bench.source, 'payments');
    const state = await seen.until(({ datacenters }) => datacenters[0]?.datacenter === 'dc1' && datacenters[0].known);
    const instances = state.datacenters[0]?.instances.map(({ registered: _, ...rest }) => rest);
    expect(instances).toEqual(expected(minor));
    expect(state.datacenters[0]).toMatchObject({ rejected: 0, connectOnly: false, freshness: { kind: 'fresh' } });
    expect(await askAgentZone(bench.client)).toEqual({ kind: 'zone', zone: 'eu-north-1a' });
    expect(bench.logger.lines).toEqual([]);
  });

  it('compiles chains that are followed', () => {
    const plan = compileChain(shapes.chain, { service: 'payments', sourceAddress: '10.0.0.1' });
    const [charge] = plan.routes;
    expect(charge?.split.entries[0]?.decision).toMatchObject({ timeoutMs: 1_500, destination: { subset: 'v2' } });
    const { entries } = plan.routes[1]?.split ?? expect.fail('no split');
    expect(entries.map(({ decision }) => decision.destination.subset)).toEqual(['v1', 'v2']);
    expect(entries[0]?.decision.destination.tiers).toEqual([
      { subset: 'v1', datacenter: 'dc1' },
      { subset: 'v1', datacenter: 'dc2' },
      ...(minor >= 14 ? [{ subset: 'v1', datacenter: 'peer cloud' }] : []),
    ]);
    // Of the resolver, in nanoseconds.
    expect(entries[1]?.decision.timeoutMs).toBe(minor >= 14 ? 2_500 : undefined);
    expect(plan.warnings.map(({ path }) => path.replace(/\(.*\)/, ''))).toEqual([
      ...(minor >= 15 ? ['chain.EnvoyExtensions'] : []),
      ...(minor >= 16 ? ['target.PrioritizeByLocality'] : []),
    ]);
  });

  it('compiles chains that a document can say as well, peers included', () => {
    const document = exportChain(shapes.chain, { service: 'payments' }).document ?? expect.fail('no document');
    const peers = minor >= 14 ? [{ peer: 'cloud' }] : [];
    // Not all of its destinations fail over, so the routes say which do.
    const orders = [document.locality?.failover, ...(document.routes ?? []).map(({ failover }) => failover)];
    expect(orders).toContainEqual(['dc2', ...peers]);
    const plan = compilePolicy({ content: document, format: 'object' }, { service: 'payments', origin: 'inline' });
    expect(plan.peers?.map(({ scope }) => scope)).toEqual(minor >= 14 ? peers : undefined);
  });
});

describe.each(MINORS.filter((minor) => minor >= 13))('a server of Consul 1.%i with a peer', (minor) => {
  const shapes = shapesOf(minor);

  it('lists instances of a peer under the name of the peer', async () => {
    const bench = opened(openSource({ address: await serve(shapes) }), (it) => it.close());
    const seen = record(bench.source, 'payments', { scope: { peer: 'cloud' } });
    const { datacenters } = await seen.until((state) => state.datacenters[0]?.known === true);
    expect(datacenters.map(({ datacenter, local }) => [datacenter, local])).toEqual([['peer cloud', false]]);
    expect(datacenters[0]?.instances).toMatchObject([
      {
        key: 'peer cloud/node-1/payments-9',
        datacenter: 'peer cloud',
        peer: 'cloud',
        address: '10.9.0.1',
        port: 50_051,
      },
    ]);
  });
});

describe('a service with several ports', () => {
  const ports = [
    { Name: 'http', Port: 8080, Default: true },
    { Name: 'grpc', Port: 50_051, Default: false },
  ];
  const entry = (id: string, service: Json): object => {
    const [first] = shapesOf(22).health;
    return { ...first, Service: { ...(first?.['Service'] as Json), ID: id, Address: `10.0.0.${id}`, ...service } };
  };
  const read = (entries: readonly object[], port?: string) => parseHealth(JSON.stringify(entries), 'dc1', [], { port });

  it.each([
    ['its default port', { Port: 0, Ports: ports }, undefined, 8080],
    ['the port that was asked for by name', { Port: 0, Ports: ports }, 'grpc', 50_051],
    ['its only port, though it is not called the default', { Port: 0, Ports: [ports[1]] }, undefined, 50_051],
    ['its port where it has one', { Port: 7001, Ports: null }, undefined, 7001],
    ['the sound ones of its ports', { Port: 0, Ports: [null, { Name: 7 }, ports[1], ports[1]] }, undefined, 50_051],
  ])('is called at %s', (_, service, port, wanted) => {
    expect(read([entry('1', service)], port)).toMatchObject({ kind: 'health', instances: [{ port: wanted }] });
  });

  it.each([
    [{ Port: 0, Ports: ports }, 'gprc', 'no port is named gprc; it has http 8080, grpc 50051'],
    [{ Port: 7001, Ports: null }, 'grpc', 'no port is named grpc; its one port has no name'],
    [
      { Port: 0, Ports: ports.map((one) => ({ ...one, Default: false })) },
      undefined,
      'none of its ports is the default',
    ],
    [{ Port: 0, Ports: null, SocketPath: '/run/p.sock' }, undefined, 'is served at a Unix socket (SocketPath)'],
    // As 1.22.2 lists it.
    [
      { Port: undefined, Ports: undefined, SocketPath: '/run/p.sock' },
      undefined,
      'is served at a Unix socket (SocketPath)',
    ],
    [{ Port: 0, Ports: null }, undefined, 'has no port to dial'],
  ])('says why it cannot be called: %j at %s', (service, port, fault) => {
    const one = read([entry('1', service)], port);
    const faults = [expect.stringContaining(`1: ${fault}`)];
    expect(one).toMatchObject({ kind: 'health', instances: [], rejected: 1, faults });
    const [good] = [entry('2', { Port: 0, Ports: [...ports, { Name: port ?? 'x', Port: 1, Default: true }].slice(1) })];
    const both = read([entry('1', service), good], port);
    expect(both).toMatchObject({ kind: 'health', rejected: 1, faults });
  });
});

describe('where an instance is', () => {
  const entry = (service: Json, node: Json): string => {
    const [first] = shapesOf(22).health;
    const { Service, Node } = first as { readonly Service: Json; readonly Node: Json };
    return JSON.stringify([{ ...first, Service: { ...Service, ...service }, Node: { ...Node, ...node } }]);
  };
  const of = (Region: string, Zone: string) => ({ Locality: { Region, Zone } });
  const none = { Locality: null };

  it.each([
    ['meta before everything', { ...of('r1', 'z1'), Meta: { zone: 'm1' } }, of('r2', 'z2'), 'm1', 'r1'],
    ['its own locality before its node', of('r1', 'z1'), { ...of('r2', 'z2'), Meta: { zone: 'm2' } }, 'z1', 'r1'],
    ["its node's meta before its locality", none, { ...of('r2', 'z2'), Meta: { zone: 'm2' } }, 'm2', 'r2'],
    ["its node's locality at last", none, of('r2', 'z2'), 'z2', 'r2'],
    ['a region alone', of('r1', ''), none, undefined, 'r1'],
    ['nothing', none, none, undefined, undefined],
    ['nothing that is a text', { Locality: { Region: 1, Zone: [] } }, { Locality: 'x' }, undefined, undefined],
  ])('is told by %s', (_, service, node, zone, region) => {
    const parsed = parseHealth(entry(service, node), 'dc1', []);
    const [instance] = parsed.kind === 'health' ? parsed.instances : [];
    expect(instance).toBeDefined();
    expect([instance?.zone, instance?.region]).toEqual([zone, region]);
  });
});
