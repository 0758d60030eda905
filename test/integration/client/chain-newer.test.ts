import type { ServerResponse } from 'node:http';
import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer, tally } from '../../support/payments';
import { healthEntry, reply, type ScriptedConsul, startScriptedConsul } from '../../support/scripted-consul';
import { untilConnected } from '../../support/until-ready';

/** Answers as servers newer than the one that tests have: peers, partitions, fields that the real one refuses to store. */
interface NewerConsul {
  readonly scripted: ScriptedConsul;
  /** Puts a chain in force, or none that can be read. */
  setChain(chain: object | undefined): void;
  /** By service and scope: `payments`, `payments peer=cloud`. */
  readonly instances: Map<string, readonly object[]>;
}

const opened = closeAfterEach();

async function startNewerConsul(): Promise<NewerConsul> {
  const scripted = opened(await startScriptedConsul(), (it) => it.stop());
  const instances = new Map<string, readonly object[]>();
  let chain: object | undefined;
  let index = 1;
  let waiting: ServerResponse[] = [];
  const answerChain = (response: ServerResponse): void => {
    if (chain === undefined) reply(response, { status: 403, body: 'Permission denied' });
    else reply(response, { index: String(index), body: { Chain: chain } });
  };
  scripted.answer(({ path, query }, response) => {
    if (path.startsWith('/v1/discovery-chain/')) {
      if (query.get('index') === String(index)) waiting.push(response);
      else answerChain(response);
      return;
    }
    // Nothing else changes here.
    if (query.has('index')) return;
    if (path.startsWith('/v1/kv/')) reply(response, { status: 404, index: '1', body: '' });
    if (!path.startsWith('/v1/health/service/')) return;
    const scope = ['ns', 'partition', 'peer']
      .filter((name) => query.has(name))
      .map((name) => ` ${name}=${query.get(name)}`);
    reply(response, {
      index: '1',
      body: instances.get(path.slice('/v1/health/service/'.length) + scope.join('')) ?? [],
    });
  });
  return {
    scripted,
    instances,
    setChain: (next) => {
      chain = next;
      index += 1;
      const held = waiting;
      waiting = [];
      for (const response of held) answerChain(response);
    },
  };
}

async function serve(consul: NewerConsul, lookup: string, name: string, datacenter = 'dc1'): Promise<PaymentsServer> {
  const server = opened(await startPaymentsServer({ name }), (it) => it.kill());
  const entry = healthEntry(name, server.port, { Address: server.host });
  const node = { Node: 'n1', Address: server.host, Datacenter: datacenter };
  consul.instances.set(lookup, [...(consul.instances.get(lookup) ?? []), { ...entry, Node: node }]);
  return server;
}

const resolver = (target: string, more: object = {}, loadBalancer?: object): object => ({
  Type: 'resolver',
  Name: target,
  Resolver: { ConnectTimeout: '5s', Target: target, ...more },
  ...(loadBalancer === undefined ? {} : { LoadBalancer: loadBalancer }),
});
const target = (Service: string, more: object = {}): object => ({
  Service,
  Namespace: 'default',
  Partition: 'default',
  Datacenter: 'dc1',
  Subset: {},
  ...more,
});

function chainOf(StartNode: string, Nodes: object, Targets: object): object {
  return {
    ServiceName: 'payments',
    Namespace: 'default',
    Datacenter: 'dc1',
    Protocol: 'grpc',
    StartNode,
    Nodes,
    Targets,
  };
}

function open(consul: NewerConsul, lines: string[] = []): Graylane {
  const note = (message: string, fields?: object): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug() {}, info() {}, warn: note, error: note };
  return opened(createGraylane({ consul: { address: consul.scripted.address }, policy: 'chain', logger }), (it) =>
    it.close(),
  );
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

it('peers and partitions are named in the queries, and serve in the order of the failover', async () => {
  const consul = await startNewerConsul();
  await serve(consul, 'payments peer=cloud', 'peered', 'cloud-dc');
  const finance = await serve(consul, 'billing partition=finance', 'finance');
  consul.setChain(
    chainOf(
      'r',
      { r: resolver('b', { Failover: { Targets: ['p'] } }) },
      {
        b: target('billing', { Partition: 'finance' }),
        p: target('payments', { Peer: 'cloud', Datacenter: '' }),
      },
    ),
  );
  const graylane = open(consul);
  await graylane.ready('payments');
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  expect((await charge(client)).servedBy).toBe('finance');
  finance.kill();
  await until(() => graylane.inspect().services[0]?.endpoints.some((each) => each.failure !== undefined) === true);
  expect((await charge(client)).servedBy).toBe('peered');
  const scopes = consul.scripted.requests.map(({ query }) => [query.get('partition'), query.get('peer')].join());
  expect(new Set(scopes)).toEqual(new Set([',', 'finance,', ',cloud']));
});

it('request headers are changed for the servers and not for the caller', async () => {
  const consul = await startNewerConsul();
  await serve(consul, 'payments', 'one');
  const route = {
    NextNode: 's',
    Definition: { Destination: { RequestHeaders: { Set: { 'X-Tag': 'routed' }, Remove: ['x-gray'] } } },
  };
  const split = { Weight: 100, NextNode: 'r', Definition: { RequestHeaders: { Set: { 'X-Tag': 'split' } } } };
  consul.setChain(
    chainOf(
      'a',
      { a: { Type: 'router', Routes: [route] }, s: { Type: 'splitter', Splits: [split] }, r: resolver('t') },
      { t: target('payments') },
    ),
  );
  const graylane = open(consul);
  await graylane.ready('payments');
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  const metadata = new grpc.Metadata();
  metadata.set('x-gray', 'canary');
  expect(await charge(client, metadata)).toMatchObject({ tag: 'routed', gray: '' });
  expect(metadata.getMap()).toEqual({ 'x-gray': 'canary' });
});

it('a ring by header keeps each caller with one instance', async () => {
  const consul = await startNewerConsul();
  for (const name of ['one', 'two', 'three']) await serve(consul, 'payments', name);
  const ring = { Policy: 'maglev', HashPolicies: [{ Field: 'header', FieldValue: 'X-User-ID' }] };
  consul.setChain(chainOf('r', { r: resolver('t', {}, ring) }, { t: target('payments') }));
  const graylane = open(consul);
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  await graylane.ready('payments');
  await untilConnected(graylane);
  const used = new Set<string>();
  for (let user = 0; user < 60; user += 1) {
    const counts = await tally(
      5,
      ({ servedBy }) => servedBy,
      () => charge(client, { 'x-user-id': `u${user}` }),
    );
    expect([...counts.values()]).toEqual([5]);
    for (const name of counts.keys()) used.add(name);
  }
  expect(used.size).toBe(3);
});

it('a failover serves when nobody in the target is well, and neither for retries nor for a share before that', async () => {
  const consul = await startNewerConsul();
  const bad = [];
  for (const name of ['bad-1', 'bad-2', 'bad-3']) bad.push(await serve(consul, 'payments', name));
  const good = await serve(consul, 'payments', 'good');
  await serve(consul, 'backup', 'backup');
  for (const server of bad) server.behave({ code: grpc.status.UNAVAILABLE });
  consul.setChain(
    chainOf(
      'r',
      { r: resolver('t', { Failover: { Targets: ['b'] } }, { Policy: 'round_robin' }) },
      { t: target('payments'), b: target('backup') },
    ),
  );
  const graylane = open(consul);
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  await graylane.ready('payments');
  const by = ({ servedBy }: { servedBy: string }): string => servedBy;
  const attempt = () => charge(client).then(by, () => 'failed');
  const answers = new Set<string>();
  for (let call = 0; call < 300; call += 1) answers.add(await attempt());
  expect(answers).not.toContain('backup');
  expect(answers).toContain('good');
  good.kill();
  await until(() => graylane.inspect().services[0]?.endpoints.some((each) => each.failure !== undefined) === true);
  const after = [];
  for (let call = 0; call < 50; call += 1) after.push(await attempt());
  expect(after.filter((name) => name === 'backup').length).toBeGreaterThan(40);
});

it('a retry stays with the target while anybody there is well, even if it is the same one', async () => {
  const consul = await startNewerConsul();
  const only = await serve(consul, 'payments', 'only');
  await serve(consul, 'backup', 'backup');
  const route = { NextNode: 'r', Definition: { Destination: { NumRetries: 1, RetryOn: ['unavailable'] } } };
  consul.setChain(
    chainOf(
      'a',
      { a: { Type: 'router', Routes: [route] }, r: resolver('t', { Failover: { Targets: ['b'] } }) },
      { t: target('payments'), b: target('backup') },
    ),
  );
  const graylane = open(consul);
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  await graylane.ready('payments');
  only.behave({ code: grpc.status.UNAVAILABLE, details: 'for once' });
  const failed = charge(client);
  await expect(failed).rejects.toMatchObject({ details: expect.stringContaining('for once') });
  expect(only.calls).toBe(2);
});

it('a request that takes too long ends at the time that the route gives it', async () => {
  const consul = await startNewerConsul();
  const server = await serve(consul, 'payments', 'one');
  const route = { NextNode: 'r', Definition: { Destination: { RequestTimeout: '100ms', NumRetries: 0 } } };
  consul.setChain(
    chainOf('a', { a: { Type: 'router', Routes: [route] }, r: resolver('t') }, { t: target('payments') }),
  );
  const graylane = open(consul);
  await graylane.ready('payments');
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  server.behave({ delayMs: 3_000 });
  await expect(charge(client)).rejects.toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
});

it('an unsound chain is refused whole, a sound one with foreign fields is told of once, and both while calls go on', async () => {
  const consul = await startNewerConsul();
  await serve(consul, 'payments', 'one');
  const sound = chainOf('r', { r: resolver('t', { Sharding: true }) }, { t: target('payments') });
  consul.setChain(sound);
  const lines: string[] = [];
  const graylane = open(consul, lines);
  await graylane.ready('payments');
  const policy = () => graylane.inspect().services[0]?.policy;
  const revision = policy()?.revision;
  expect(policy()?.warnings.map(({ path }) => path)).toEqual(['resolver(t).Sharding']);
  consul.setChain(chainOf('r', { r: resolver('t'), lost: resolver('t') }, { t: target('payments') }));
  await until(() => policy()?.rejected !== undefined);
  expect(policy()).toMatchObject({
    revision,
    rejected: { problems: [{ path: 'Nodes["lost"]' }] },
  });
  consul.setChain(chainOf('q', { q: resolver('t', { Sharding: true }) }, { t: target('payments') }));
  await until(() => policy()?.rejected === undefined && policy()?.revision !== revision);
  consul.setChain(undefined);
  await until(() => policy()?.failure !== undefined);
  const client = opened(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (it) => it.close());
  expect((await charge(client)).servedBy).toBe('one');
  expect(lines.filter((line) => line.includes('Sharding'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('rejected'))).toHaveLength(1);
});
