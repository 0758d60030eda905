import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compileEntries } from '../../../../src/ops/entries/compile-entries';
import { lintEntries, servicesIn, tableOf } from '../../../../src/ops/entries/lint';
import { readEntries } from '../../../../src/ops/entries/read';
import { ImportReport } from '../../../../src/ops/imports/report';
import { compileChain } from '../../../../src/policy/chain/compile';
import type { Plan } from '../../../../src/policy/plan';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';

type Entry = Record<string, unknown> & { readonly Kind: string; readonly Name: string };

let consul: ConsulCluster;
beforeAll(async () => {
  consul = await startConsul();
});
afterAll(() => consul.stop());

const written = new Map<string, Entry>();
async function write(...entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    await consul.dc('dc1').request('PUT', '/v1/config', entry);
    written.set(`${entry.Kind}/${entry.Name}`, entry);
  }
}
afterEach(async () => {
  // What others rest on goes last, so that nothing is refused.
  for (const key of [...written.keys()].reverse()) await consul.dc('dc1').request('DELETE', `/v1/config/${key}`);
  written.clear();
});

const grpc = (Name: string): Entry => ({ Kind: 'service-defaults', Name, Protocol: 'grpc' });
const versions = (Name: string, more: object = {}): Entry => ({
  Kind: 'service-resolver',
  Name,
  Subsets: {
    v1: { Filter: 'Service.Meta.version == v1' },
    v2: { Filter: 'Service.Meta.version == v2', OnlyPassing: true },
  },
  ...more,
});
const splitter = (Name: string, ...splits: object[]): Entry => ({ Kind: 'service-splitter', Name, Splits: splits });
const router = (Name: string, ...routes: object[]): Entry => ({ Kind: 'service-router', Name, Routes: routes });
const path = (PathPrefix: string): object => ({ Match: { HTTP: { PathPrefix } } });

function entriesOf(entries: readonly unknown[]): ReturnType<typeof tableOf> {
  const report = new ImportReport();
  const read = readEntries([{ file: 'entries.json', text: JSON.stringify(entries) }], report);
  expect(report.losses).toEqual([]);
  return tableOf(read);
}

/** What a chain comes to, without the names of its nodes. */
function meaningOf(chain: unknown, service: string): unknown {
  const plan: Plan = compileChain(chain, { service, sourceAddress: '127.0.0.1' });
  const routes = plan.routes.map(({ name, match, split }) => ({
    name,
    match: JSON.stringify(match),
    entries: split.entries.map(
      ({ buckets, decision: { destination, timeoutMs, retry, hashPolicies, requestHeaders } }) => ({
        buckets,
        tiers: destination.tiers,
        timeoutMs,
        retry,
        hashPolicies: hashPolicies?.map(({ key }) => key),
        requestHeaders,
      }),
    ),
  }));
  const subsets = [...plan.subsets.values()].map(({ name, filter, onlyPassing, balancing, lookups }) => ({
    name,
    filter,
    onlyPassing,
    balancing,
    lookups: lookups?.map(({ service: of, datacenter }) => [of, datacenter]),
  }));
  const { destination } = plan.fallthrough;
  return { routes, subsets, fallthrough: destination.tiers, connectTimeoutMs: plan.connectTimeoutMs };
}

describe('entries compiled here', () => {
  it.each<[string, readonly Entry[]]>([
    ['a resolver alone', [versions('pay')]],
    ['a default subset', [versions('pay', { DefaultSubset: 'v1', ConnectTimeout: '3s' })]],
    [
      'a redirect to another service',
      [
        versions('bills'),
        { Kind: 'service-resolver', Name: 'pay', Redirect: { Service: 'bills', ServiceSubset: 'v2' } },
      ],
    ],
    [
      'a redirect to a default subset',
      [
        { Kind: 'service-resolver', Name: 'pay', Redirect: { Service: 'bills' } },
        versions('bills', { DefaultSubset: 'v1' }),
      ],
    ],
    ['a redirect to another datacenter', [{ Kind: 'service-resolver', Name: 'pay', Redirect: { Datacenter: 'dc2' } }]],
    [
      'failover by subset and for all',
      [
        versions('pay', {
          DefaultSubset: 'v1',
          Failover: { v1: { ServiceSubset: 'v2', Datacenters: ['dc2', 'dc3'] }, '*': { Service: 'bills' } },
        }),
        versions('bills', { DefaultSubset: 'v2', Failover: { '*': { Datacenters: ['dc9'] } } }),
        splitter('pay', { Weight: 90, ServiceSubset: 'v1' }, { Weight: 10, ServiceSubset: 'v2' }),
      ],
    ],
    [
      'splitters that lead to splitters',
      [
        versions('pay', { DefaultSubset: 'v1' }),
        versions('bills', {
          DefaultSubset: 'v1',
        }),
        splitter('bills', { Weight: 40, ServiceSubset: 'v1' }, { Weight: 60, ServiceSubset: 'v2' }),
        splitter(
          'pay',
          { Weight: 50 },
          { Weight: 25, Service: 'bills' },
          { Weight: 25, Service: 'bills', ServiceSubset: 'v2' },
        ),
      ],
    ],
    [
      'a router with all of it',
      [
        versions('pay', { DefaultSubset: 'v1' }),
        versions('bills'),
        splitter('bills', { Weight: 50, ServiceSubset: 'v1' }, { Weight: 50, ServiceSubset: 'v2' }),
        splitter('pay', { Weight: 99.99 }, { Weight: 0.01, ServiceSubset: 'v2' }),
        router(
          'pay',
          {
            ...path('/a.B/'),
            Destination: { ServiceSubset: 'v2', RequestTimeout: '800ms', NumRetries: 2, RetryOnConnectFailure: true },
          },
          { ...path('/c.D/'), Destination: { Service: 'bills' } },
          { ...path('/e.F/'), Destination: { Service: 'bills', ServiceSubset: 'v1' } },
          {
            Match: { HTTP: { Header: [{ Name: 'x-gray', Exact: 'canary', Invert: true }] } },
            Destination: { Service: 'none' },
          },
          { ...path('/g.H/') },
        ),
      ],
    ],
  ])('are what Consul compiles: %s', async (_, entries) => {
    const names = [...new Set(['pay', 'bills', 'none', ...entries.map(({ Name }) => Name)])];
    const all = [...names.map(grpc), ...entries];
    await write(...all);
    const answer = await consul.dc('dc1').request('GET', '/v1/discovery-chain/pay');
    const { Chain } = (await answer.json()) as { Chain: unknown };
    const { chain, refused } = compileEntries(entriesOf(all), 'pay', 'dc1');
    expect(refused).toEqual([]);
    expect(meaningOf(chain, 'pay')).toEqual(meaningOf(Chain, 'pay'));
    expect(lintEntries(entriesOf(all), 'pay', 'dc1').refused).toEqual([]);
  });
});

describe('what Consul refuses', () => {
  const whole = [grpc('pay'), grpc('bills'), versions('pay'), versions('bills')];
  it.each<[string, Entry, string]>([
    [
      'two paths',
      router('pay', { Match: { HTTP: { PathPrefix: '/a', PathExact: '/b' } } }),
      'service-router/pay.Routes[0].Match.HTTP',
    ],
    [
      'a path without a slash',
      router('pay', { Match: { HTTP: { PathExact: 'a' } } }),
      'service-router/pay.Routes[0].Match.HTTP.PathExact',
    ],
    [
      'a header without a name',
      router('pay', { Match: { HTTP: { Header: [{ Exact: 'a' }] } } }),
      'service-router/pay.Routes[0].Match.HTTP.Header[0].Name',
    ],
    [
      'two conditions in one',
      router('pay', { Match: { HTTP: { Header: [{ Name: 'a', Exact: 'a', Prefix: 'b' }] } } }),
      'service-router/pay.Routes[0].Match.HTTP.Header[0]',
    ],
    [
      'a rewrite without a path',
      router('pay', { Destination: { PrefixRewrite: '/x' } }),
      'service-router/pay.Routes[0].Destination.PrefixRewrite',
    ],
    [
      'a subset that is none',
      router('pay', { Destination: { ServiceSubset: 'v9' } }),
      'service-router/pay.Routes[0].Destination.ServiceSubset',
    ],
    ['weights that are not 100', splitter('pay', { Weight: 90, ServiceSubset: 'v1' }), 'service-splitter/pay.Splits'],
    ['a split given twice', splitter('pay', { Weight: 50 }, { Weight: 50 }), 'service-splitter/pay.Splits[1]'],
    [
      'a split to no subset',
      splitter('pay', { Weight: 100, ServiceSubset: 'v9' }),
      'service-splitter/pay.Splits[0].ServiceSubset',
    ],
    ['splitters in a circle', splitter('bills', { Weight: 100, Service: 'pay' }), 'service-splitter/bills.Splits[0]'],
    ['a default that is no subset', versions('pay', { DefaultSubset: 'v9' }), 'service-resolver/pay.DefaultSubset'],
    [
      'a redirect to a subset of nobody',
      { Kind: 'service-resolver', Name: 'bills', Redirect: { ServiceSubset: 'v1' } },
      'service-resolver/bills.Redirect.ServiceSubset',
    ],
    [
      'a failover of no subset',
      versions('pay', { Failover: { v9: { Service: 'bills' } } }),
      'service-resolver/pay.Failover["v9"]',
    ],
    ['a failover to nowhere', versions('pay', { Failover: { '*': {} } }), 'service-resolver/pay.Failover["*"]'],
    [
      'a redirect in a circle',
      { Kind: 'service-resolver', Name: 'bills', Redirect: { Service: 'pay' } },
      'service-resolver/bills.Redirect',
    ],
    ['a router over TCP', { Kind: 'service-defaults', Name: 'pay', Protocol: 'tcp' }, 'service-router/pay'],
  ])('is told before it is written: %s', async (_, bad, at) => {
    const others =
      bad.Name === 'bills' && bad.Kind === 'service-splitter'
        ? [splitter('pay', { Weight: 100, Service: 'bills' })]
        : bad.Name === 'bills'
          ? [{ Kind: 'service-resolver', Name: 'pay', Redirect: { Service: 'bills' } } as Entry]
          : bad.Kind === 'service-defaults'
            ? [router('pay', {})]
            : [];
    const given = new Map([...whole, ...others].map((entry) => [`${entry.Kind}/${entry.Name}`, entry]));
    await write(...given.values());
    // Consul itself says no, which is what makes the row true.
    const accepted = await write(bad).then(
      () => true,
      () => false,
    );
    expect(accepted).toBe(false);
    given.set(`${bad.Kind}/${bad.Name}`, bad);
    const table = entriesOf([...given.values()]);
    const told = servicesIn([...table.values()]).flatMap((service) => lintEntries(table, service, 'dc1').refused);
    expect(told.map((each) => each.path)).toContain(at);
  });
});
