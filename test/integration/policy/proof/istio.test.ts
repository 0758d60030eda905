import { describe, expect, it } from 'vitest';
import { type ImportLoss, ImportReport } from '../../../../src/ops/imports/report';
import { readResources } from '../../../../src/ops/imports/resources';
import { readSources } from '../../../../src/ops/imports/sources';
import { importIstio } from '../../../../src/ops/istio/import';
import { chooseService, MESH } from '../../../../src/ops/istio/select';
import { createIstioMeaning } from '../../../../src/ops/proof/istio-meaning';
import { type Proof, prove } from '../../../../src/ops/proof/prove';
import { compilePolicy } from '../../../../src/policy/compile';
import { isLong } from '../../../support/slice';
import { mutated } from './mutate';

interface Proven {
  readonly proof: Proof;
  readonly losses: readonly ImportLoss[];
}

/** Imports a text and holds what comes out against the meaning of the text. Undefined: no service in it. */
function proven(text: string, calls: number, seed = 1, port?: number): Proven | undefined {
  const report = new ImportReport();
  const { documents, faults } = readSources([{ file: 'a.yaml', text }]);
  expect(faults).toEqual([]);
  const resources = readResources(documents, report);
  const choice = chooseService(resources, 'payments');
  if ('fault' in choice) return undefined;
  const view = { gateways: [MESH], port };
  const { document, losses, rules } = importIstio(resources, { host: choice.host, labelsAs: 'meta', ...view, report });
  const plan = compilePolicy({ content: document, format: 'object' }, { service: document.service, origin: 'inline' });
  const source = createIstioMeaning(resources, choice.host, view);
  return { proof: prove({ source, plan, losses, rules, calls, seed }), losses };
}

const own = (subset: string, weight?: number): object => ({ destination: { host: 'payments', subset }, weight });
const RULE = {
  kind: 'DestinationRule',
  metadata: { name: 'r', namespace: 'shop' },
  spec: {
    host: 'payments.shop.svc.cluster.local',
    trafficPolicy: { loadBalancer: { simple: 'LEAST_REQUEST' }, outlierDetection: { consecutive5xxErrors: 7 } },
    subsets: ['v1', 'v2', 'v3'].map((name) => ({ name, labels: { version: name } })),
  },
};

/** All that a document can say, in one file. */
const SAYABLE = [
  {
    kind: 'VirtualService',
    metadata: { name: 'a', namespace: 'shop' },
    spec: {
      hosts: ['payments', 'payments.example.com'],
      gateways: ['mesh', 'public'],
      http: [
        {
          name: 'testers',
          match: [
            { headers: { 'X-Gray': { exact: 'canary' } } },
            {
              headers: { 'x-user': { regex: 'qa-[0-9]+' }, 'x-tier': { prefix: 'st' } },
              withoutHeaders: { 'x-off': {} },
            },
            { gateways: ['public'], headers: { 'x-edge': { exact: '1' } } },
          ],
          route: [own('v2')],
        },
        {
          match: [
            { uri: { exact: '/shop.v1.Payments/Refund' }, withoutHeaders: { 'x-user': { prefix: 'bot' } } },
            { uri: { regex: '/shop\\.v1\\.(Orders|Bills)/.*' } },
          ],
          route: [own('v1', 3), own('v2', 1)],
          timeout: '1.5s',
          retries: { attempts: 3, retryOn: 'unavailable' },
        },
        {
          match: [{ uri: { prefix: '/shop.v1.Payments/' } }],
          route: [own('v3'), own('v1', 100)],
          retries: { attempts: 0 },
        },
        {
          match: [
            { sourceLabels: { app: 'orders' }, headers: { 'x-b': { exact: '1' } } },
            { headers: { Cookie: { regex: '^(.*?;)?(user=jason)(;.*)?$' } } },
          ],
          route: [own('v2')],
          mirror: { host: 'payments', subset: 'v3' },
          mirrorPercentage: { value: 12.5 },
        },
        { match: [{ port: 9000, headers: { 'x-a': { exact: '' } } }], route: [own('v3')] },
        { route: [own('v1', 90), own('v2', 9.5), own('v3', 0.5)], timeout: '0s' },
      ],
    },
  },
  RULE,
];

/** Much that a document cannot say. */
const RICH = [
  {
    kind: 'VirtualService',
    metadata: { name: 'b', namespace: 'shop' },
    spec: {
      hosts: ['payments'],
      exportTo: ['.'],
      http: [
        {
          match: [{ queryParams: { q: { exact: 'a' } } }, { scheme: { exact: 'https' }, headers: { z: {} } }],
          route: [own('v2')],
        },
        { match: [{ authority: { exact: 'pay' } }, { sourceLabels: { app: 'orders' } }], route: [own('v2')] },
        { match: [{ sourceNamespace: 'shop' }, { method: { exact: 'GET' } }], route: [own('v3')] },
        { match: [{ uri: { prefix: '/shop.v1.Pay' } }], route: [own('v2')], rewrite: { uri: '/x' } },
        { match: [{ uri: { prefix: '/shop.v1.Orders/Li' }, ignoreUriCase: true }], route: [own('v2')] },
        { match: [{ uri: { prefix: '/shop.' } }], route: [own('v2')], fault: { abort: { httpStatus: 503 } } },
        { match: [{ headers: { cookie: { regex: '.*user=a.*' } } }], route: [own('v2')], mirror: { host: 'x' } },
        { match: [{ headers: { 'user-agent': { prefix: 'grpc' }, x: { exact: 'a' } } }], route: [own('v3')] },
        { match: [{ headers: { x: { regex: '(?=a)' } } }], redirect: { uri: '/' } },
        {
          match: [{ headers: { x: { exact: 'b' } }, withoutHeaders: { x: { exact: 'c' } } }],
          directResponse: { status: 200 },
        },
        { match: [{ port: 80 }], route: [own('v2')] },
        { match: [{ uri: { exact: '/a.B/C' } }], delegate: { name: 'd' } },
        {
          match: [{ uri: { regex: '/shop.v1.Bills/(Get|List)' } }],
          route: [{ destination: { host: 'orders', subset: 'v1' }, weight: 50 }, own('v1', 50), own('v9', 10)],
          retries: { attempts: 9, retryOn: 'retriable-4xx' },
        },
        {
          match: [{ headers: { y: { exact: 'z' } } }],
          route: [{ destination: { host: 'payments' } }],
          timeout: '9999h',
        },
      ],
    },
  },
  { kind: 'VirtualService', metadata: { name: 'd', namespace: 'shop' }, spec: { http: [{ route: [own('v3')] }] } },
  RULE,
  { ...RULE, metadata: { name: 's', namespace: 'shop' }, spec: { host: 'payments', subsets: [{ name: 'v4' }] } },
];

const text = (resources: unknown): string =>
  Array.isArray(resources) ? resources.map((each) => JSON.stringify(each)).join('\n---\n') : JSON.stringify(resources);

describe('what import-istio makes of a file', () => {
  it('decides 100,000 calls as Istio documents it, wherever a document has words', () => {
    for (const port of [9000, 9001]) {
      const { proof, losses } = proven(text(SAYABLE), 50_000, 1, port) ?? expect.fail('no service');
      expect(losses).toEqual([]);
      expect(proof).toMatchObject({ calls: 50_000, agreed: 50_000, differences: [] });
    }
  });

  it('differs in 100,000 calls only where the difference was told', () => {
    const { proof } = proven(text(RICH), 100_000) ?? expect.fail('no service');
    expect(proof.differences.filter(({ isTold }) => !isTold)).toEqual([]);
    expect(proof.untold).toBe(0);
    // Rules that take calls and differ, each of them.
    expect(new Set(proof.differences.map(({ rule }) => rule)).size).toBeGreaterThanOrEqual(12);
  });

  it('is told also of files that are changed at random', { timeout: 300_000 }, () => {
    const count = isLong ? 2_000 : 150;
    const silent: object[] = [];
    const seen = { services: 0, told: 0, agreed: 0, lossy: 0 };
    for (let seed = 1; seed <= count; seed += 1) {
      const file = mutated(seed % 2 === 0 ? SAYABLE : RICH, seed, [SAYABLE, RICH]);
      const result = proven(text(file), 150, seed);
      if (result === undefined) continue;
      seen.services += 1;
      seen.told += result.proof.told;
      seen.agreed += result.proof.agreed;
      if (result.losses.length > 0) seen.lossy += 1;
      for (const difference of result.proof.differences) if (!difference.isTold) silent.push({ seed, difference });
    }
    expect(silent.slice(0, 5)).toEqual([]);
    expect(seen.services).toBeGreaterThan(count * 0.8);
    expect(seen.told).toBeGreaterThan(count);
    expect(seen.agreed).toBeGreaterThan(count * 50);
    expect(seen.lossy).toBeGreaterThan(count * 0.4);
  });
});
