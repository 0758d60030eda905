import { describe, expect, it } from 'vitest';
import { compileEntries } from '../../../../src/ops/entries/compile-entries';
import { importEntries, tableOf } from '../../../../src/ops/entries/lint';
import { readEntries } from '../../../../src/ops/entries/read';
import { type ImportLoss, ImportReport } from '../../../../src/ops/imports/report';
import { createEntriesMeaning, entryRules } from '../../../../src/ops/proof/entries-meaning';
import { type Proof, prove } from '../../../../src/ops/proof/prove';
import { compilePolicy } from '../../../../src/policy/compile';
import { isLong } from '../../../support/slice';
import { mutated } from './mutate';

/** Undefined: Consul refuses the entries, or they say nothing of the service, which is told. */
function proven(
  entries: unknown,
  calls: number,
  seed = 1,
): { readonly proof: Proof; readonly losses: readonly ImportLoss[] } | undefined {
  const report = new ImportReport();
  const table = tableOf(readEntries([{ file: 'a.json', text: JSON.stringify(entries) }], report));
  const { document, losses } = importEntries(table, 'payments', 'dc1');
  if (document === undefined) {
    expect(losses).not.toEqual([]);
    return undefined;
  }
  const plan = compilePolicy({ content: document, format: 'object' }, { service: 'payments', origin: 'inline' });
  const { chain } = compileEntries(table, 'payments', 'dc1');
  const source = createEntriesMeaning(chain, 'payments');
  const rules = entryRules(
    chain,
    'payments',
    plan.routes.map(({ name }) => name),
  );
  return { proof: prove({ source, plan, losses, rules, calls, seed }), losses };
}

const SAYABLE = [
  { Kind: 'service-defaults', Name: 'payments', Protocol: 'grpc' },
  {
    Kind: 'service-resolver',
    Name: 'payments',
    DefaultSubset: 'v1',
    RequestTimeout: '2s',
    Subsets: {
      v1: { Filter: 'Service.Meta.version == v1' },
      v2: { Filter: 'Service.Meta.version == v2' },
      v3: { Filter: 'Service.Meta.version == v3' },
    },
    Failover: { '*': { Datacenters: ['dc2', 'dc3'] } },
  },
  { Kind: 'service-defaults', Name: 'orders', Protocol: 'grpc' },
  { Kind: 'service-resolver', Name: 'orders', Subsets: { blue: { Filter: 'Service.Meta.color == blue' } } },
  { Kind: 'service-defaults', Name: 'bills', Protocol: 'grpc' },
  {
    Kind: 'service-resolver',
    Name: 'bills',
    Redirect: { Service: 'payments', ServiceSubset: 'v2', Datacenter: 'dc3' },
  },
  {
    Kind: 'service-splitter',
    Name: 'payments',
    Splits: [
      { Weight: 89.5, ServiceSubset: 'v1' },
      { Weight: 10.5, ServiceSubset: 'v2' },
    ],
  },
  {
    Kind: 'service-router',
    Name: 'payments',
    Routes: [
      {
        Match: { HTTP: { PathExact: '/shop.v1.Payments/Charge', Header: [{ Name: 'x-gray', Exact: 'canary' }] } },
        Destination: { ServiceSubset: 'v2', RequestTimeout: '800ms', NumRetries: 2, RetryOnConnectFailure: true },
      },
      {
        Match: {
          HTTP: {
            PathPrefix: '/shop.v1.Orders/',
            Header: [
              { Name: 'x-a', Prefix: 'b', Invert: true },
              { Name: 'x-a', Suffix: 'c' },
            ],
          },
        },
        Destination: { ServiceSubset: 'v3' },
      },
      {
        Match: {
          HTTP: {
            Header: [
              { Name: 'x-b', Regex: 'qa-[0-9]+' },
              { Name: 'x-c', Present: true, Invert: true },
            ],
          },
        },
      },
      {
        Match: { HTTP: { PathExact: '/shop.v1.Orders2/Get', Header: [{ Name: 'x-gray', Exact: 'canary' }] } },
        Destination: { Service: 'orders', ServiceSubset: 'blue', RequestHeaders: { Set: { 'x-way': 'orders' } } },
      },
      { Match: { HTTP: { PathExact: '/shop.v1.Orders2/Get' } }, Destination: { Service: 'orders' } },
      { Match: { HTTP: { PathExact: '/shop.v1.Orders3/Get' } }, Destination: { Service: 'bills' } },
      {
        Match: { HTTP: { PathRegex: '/shop\\.v1\\.(Bills|Taxes)/.*' } },
        Destination: { ServiceSubset: 'v1', RequestTimeout: '-1s' },
      },
    ],
  },
];

const RICH = [
  SAYABLE[0],
  { Kind: 'service-defaults', Name: 'orders', Protocol: 'grpc' },
  { ...SAYABLE[1], Failover: { v1: { Service: 'orders' }, v2: { Datacenters: ['dc3'] } } },
  { Kind: 'service-resolver', Name: 'orders', ConnectTimeout: '500ms', Subsets: { blue: { OnlyPassing: true } } },
  {
    Kind: 'service-splitter',
    Name: 'payments',
    Splits: [
      { Weight: 50, ServiceSubset: 'v1', RequestHeaders: { Set: { 'x-leg': '1' } } },
      { Weight: 25, ServiceSubset: 'v2' },
      { Weight: 25, Service: 'orders' },
    ],
  },
  {
    Kind: 'service-router',
    Name: 'payments',
    Routes: [
      { Match: { HTTP: { PathPrefix: '/shop.v1.' } }, Destination: { ServiceSubset: 'v2' } },
      { Match: { HTTP: { PathPrefix: '/shop.v1.Pay' } }, Destination: { ServiceSubset: 'v3', PrefixRewrite: '/' } },
      { Match: { HTTP: { PathExact: '/a.B/C' } }, Destination: { Service: 'orders', ServiceSubset: 'blue' } },
      { Match: { HTTP: { Header: [{ Name: 'user-agent', Prefix: 'grpc' }] } }, Destination: { ServiceSubset: 'v3' } },
      { Match: { HTTP: { QueryParam: [{ Name: 'q', Exact: 'a' }] } }, Destination: { ServiceSubset: 'v3' } },
      {
        Match: { HTTP: { Methods: ['GET'] } },
        Destination: { ServiceSubset: 'v3', NumRetries: 9, RetryOn: ['5xx', 'retriable-4xx'] },
      },
      {
        Match: { HTTP: { PathPrefix: '/Shop.V1.Bills/', CaseInsensitive: true } },
        Destination: { ServiceSubset: 'v2' },
      },
      {
        Match: {
          HTTP: { PathRegex: '/shop\\.v1\\.[A-Z]+/.*', Header: [{ Name: 'x', Contains: 'b', IgnoreCase: true }] },
        },
        Destination: { ServiceSubset: 'v2' },
      },
    ],
  },
];

describe('what import-entries makes of files', () => {
  it('decides 100,000 calls as the chain does, wherever a document has words', () => {
    const { proof, losses } = proven(SAYABLE, 100_000) ?? expect.fail('refused');
    expect(losses).toEqual([]);
    expect(proof).toMatchObject({ calls: 100_000, agreed: 100_000, differences: [] });
  });

  it('differs only where the difference was told', () => {
    const { proof } = proven(RICH, 20_000) ?? expect.fail('refused');
    expect(proof.differences.filter(({ isTold }) => !isTold)).toEqual([]);
    expect(new Set(proof.differences.map(({ rule }) => rule)).size).toBeGreaterThanOrEqual(3);
  });

  it('is told also of files that are changed at random', { timeout: 300_000 }, () => {
    const count = isLong ? 2_000 : 150;
    const silent: object[] = [];
    const seen = { documents: 0, refused: 0, told: 0, agreed: 0 };
    for (let seed = 1; seed <= count; seed += 1) {
      const result = proven(mutated(seed % 2 === 0 ? SAYABLE : RICH, seed, [SAYABLE, RICH]), 150, seed);
      if (result === undefined) {
        seen.refused += 1;
        continue;
      }
      seen.documents += 1;
      seen.told += result.proof.told;
      seen.agreed += result.proof.agreed;
      for (const difference of result.proof.differences) if (!difference.isTold) silent.push({ seed, difference });
    }
    expect(silent.slice(0, 5)).toEqual([]);
    expect(seen.documents).toBeGreaterThan(count * 0.3);
    expect(seen.refused).toBeGreaterThan(count * 0.1);
    expect(seen.agreed).toBeGreaterThan(count * 30);
  });
});
