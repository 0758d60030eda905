import { GraylaneError } from '../../../src/base/errors';
import { writeYaml } from '../../../src/base/yaml';
import { problemsOf } from '../../../src/client/discovery/static-instance';
import { type CallScope, CallScopes } from '../../../src/client/grpc/call-scope';
import { checkLabels } from '../../../src/client/grpc/check-arguments';
import { parseAcceptOptions } from '../../../src/client/propagation/accept';
import { keepBaggage } from '../../../src/client/propagation/baggage';
import { IncomingLabels } from '../../../src/client/propagation/incoming-labels';
import { parseKvAnswer } from '../../../src/client/state/policy-sources/consul';
import { parseHealth } from '../../../src/consul/health-answer';
import { readReport } from '../../../src/ops/rollout/collector/listener';
import { parseRollout } from '../../../src/ops/rollout/validate';
import { compileChain } from '../../../src/policy/chain/compile';
import { parseDocumentText } from '../../../src/policy/parse-text';
import { PolicyError } from '../../../src/policy/policy-error';
import { validatePolicy } from '../../../src/policy/validate';
import { parseInstanceOptions } from '../../../src/server/instance-options';

/** One way in: what stands there as a rule, and what reads it. */
export interface Input {
  readonly sound: unknown;
  /** What of `sound` is written, where that is not its JSON. */
  readonly written?: (text: string) => string;
  /** Gives all that is told of it. */
  read(text: string): unknown;
}

const policy = {
  schema: 1,
  service: 'payments',
  subsets: {
    stable: { tags: ['stable'] },
    canary: { tags: ['canary'], fallback: 'stable', filter: 'Service.Meta.v == "2"' },
  },
  default: 'stable',
  routes: [
    { name: 'testers', match: { labels: { 'x-user': { in: ['a', 'b'] } }, methods: ['/a.B/C'] }, to: 'canary' },
    {
      name: 'gray',
      split: [
        { to: 'canary', weight: 5 },
        { to: 'stable', weight: 95 },
      ],
      stickBy: 'x-user',
      retry: {},
    },
  ],
  retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'] },
  locality: { failover: ['dc2'], zones: 'prefer', zoneClients: { a: 1 } },
  idempotent: ['/a.B/Get'],
  breaker: { failureStatusCodes: ['UNAVAILABLE'] },
};

const rollout = {
  schema: 1,
  service: 'payments',
  route: 'gray',
  canary: 'canary',
  stable: 'stable',
  steps: [{ setWeight: 5 }, { pause: '5m' }, { setWeight: 50 }],
};

const entry = {
  Node: { Node: 'n1', Address: '10.0.0.1', Datacenter: 'dc1', Meta: { zone: 'a' } },
  Service: {
    ID: 'p1',
    Service: 'payments',
    Tags: ['canary'],
    Meta: { v: '2' },
    Port: 8080,
    Address: '10.0.0.1',
    Weights: { Passing: 1, Warning: 1 },
  },
  Checks: [{ Node: 'n1', CheckID: 'c', Status: 'passing', Output: 'ok' }],
};

const target = {
  ID: 'payments.default.dc1',
  Service: 'payments',
  Datacenter: 'dc1',
  Subset: { Filter: 'Service.Meta.v == 1' },
};
const chain = {
  ServiceName: 'payments',
  Datacenter: 'dc1',
  Protocol: 'grpc',
  StartNode: 'router:payments',
  Nodes: {
    'router:payments': {
      Type: 'router',
      Routes: [
        {
          Definition: { Match: { HTTP: { PathPrefix: '/a.B/', Header: [{ Name: 'x', Exact: '1' }] } } },
          NextNode: 'resolver:payments.default.dc1',
        },
        { Definition: { Match: { HTTP: { PathPrefix: '/' } } }, NextNode: 'splitter:payments' },
      ],
    },
    'splitter:payments': { Type: 'splitter', Splits: [{ Weight: 100, NextNode: 'resolver:payments.default.dc1' }] },
    'resolver:payments.default.dc1': {
      Type: 'resolver',
      Resolver: { ConnectTimeout: '5s', Target: 'payments.default.dc1' },
    },
  },
  Targets: { 'payments.default.dc1': target },
};

function readPolicy(text: string, format: 'json' | 'yaml'): unknown {
  const parsed = parseDocumentText(text, format);
  if (parsed.value === undefined) return parsed.problems;
  const { problems, warnings } = validatePolicy(parsed.value, { service: 'payments', positions: parsed.positions });
  return [parsed.problems, problems, warnings];
}

/** What is told of options that are refused as a whole. */
function refusalOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof GraylaneError) return error.message;
    throw error;
  }
}

const scopes = new CallScopes(true);
const rules = parseAcceptOptions({ accept: ['x-user', 'x-gray', 'x-lane'] }, 'httpMiddleware');

/** As a peer may send them, whatever they hold: each value once, or a list of values. */
function sentValues(text: string): ReadonlyMap<string, readonly string[]> {
  const sent = Object.entries(Object(JSON.parse(text)) as Record<string, unknown>);
  return new Map(sent.map(([key, value]) => [key, Array.isArray(value) ? value.map(String) : [JSON.stringify(value)]]));
}

/** Entries as W3C Baggage joins them, nested ones as JSON. */
function baggageOf(text: string): string {
  const entries = Object.entries(Object(JSON.parse(text)) as Record<string, unknown>);
  return entries.map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(',');
}

export const INPUTS: Readonly<Record<string, Input>> = {
  'a policy': { sound: policy, read: (text) => readPolicy(text, 'json') },
  'a policy in YAML': {
    sound: policy,
    written: (text) => writeYaml(JSON.parse(text)),
    read: (text) => readPolicy(text, 'yaml'),
  },
  'a policy in code': {
    sound: policy,
    read(text) {
      const { problems, warnings } = validatePolicy(JSON.parse(text), { service: 'payments' });
      return [problems, warnings];
    },
  },
  'a rollout': { sound: rollout, read: (text) => parseRollout(text, 'json').problems },
  'a health answer': {
    sound: [entry, { ...entry, Service: { ...entry.Service, ID: 'p2', Port: 8081 } }],
    read(text) {
      const parsed = parseHealth(text, 'dc1', []);
      return parsed.kind === 'health' ? parsed.instances.map(({ key }) => key) : parsed;
    },
  },
  'a chain': {
    sound: chain,
    read(text) {
      try {
        return compileChain(JSON.parse(text), { service: 'payments', sourceAddress: '10.0.0.1' }).warnings;
      } catch (error) {
        if (error instanceof PolicyError) return [error.message, error.problems];
        throw error;
      }
    },
  },
  'a key of Consul': {
    sound: [{ Key: 'graylane/policies/payments', Value: 'e30=', ModifyIndex: 7 }],
    read(text) {
      const answer = { kind: 'answer', status: 200, body: Buffer.from(text) };
      const reading = parseKvAnswer(answer as Parameters<typeof parseKvAnswer>[0], 'graylane/policies/payments');
      return { ...reading, content: '' };
    },
  },
  "a client's report": {
    sound: { format: 1, client: 'c', window: 'w', number: 1, canary: { calls: 1 }, stable: {} },
    read: (text) => readReport(text),
  },
  'labels in code': {
    sound: { 'x-user': 'u-1', 'x-gray': 'canary' },
    read: (text) => refusalOf(() => checkLabels(Object(JSON.parse(text)), 'labels')),
  },
  'a scope': {
    sound: { labels: { 'x-user': 'u-1' }, force: { subset: 'canary', instance: 'p1' }, stickyKey: 'u-1' },
    read: (text) =>
      refusalOf(() => {
        const scope = Object(JSON.parse(text)) as CallScope;
        return scopes.run({ ...scope, labels: checkLabels(Object(scope.labels), 'labels') }, () => '');
      }),
  },
  'metadata of a caller': {
    sound: { 'x-user': ['u-1'], 'x-gray': ['canary'], 'x-lane': 'a', baggage: ['x-user=u-1'] },
    read(text) {
      const sent = sentValues(text);
      const incoming = new IncomingLabels();
      const labels = incoming.read(rules, { values: (key) => sent.get(key) ?? [] }, true);
      return [labels, incoming.refused];
    },
  },
  'baggage of a caller': {
    sound: { 'x-user': 'u-1', 'x-gray': 'canary', other: 'a;b=c' },
    written: baggageOf,
    read(header) {
      const incoming = new IncomingLabels();
      const labels = incoming.read(rules, { values: (key) => (key === 'baggage' ? [header] : []) }, true);
      return [labels, incoming.refused, keepBaggage([header], rules.keys)];
    },
  },
  'an instance to register': {
    sound: {
      name: 'payments',
      port: 8080,
      ports: { grpc: 8080, metrics: 9090 },
      id: 'payments-1',
      address: '10.0.0.1',
      tags: ['canary'],
      meta: { version: 'v2' },
      weights: { passing: 2, warning: 1 },
      check: { type: 'ttl', ttlMs: 15_000 },
    },
    read: (text) => refusalOf(() => parseInstanceOptions(JSON.parse(text), {}).id),
  },
  'static instances': {
    sound: [{ address: '10.0.0.1', port: 8080, tags: ['a'], meta: { v: '1' } }],
    read(text) {
      const given: unknown = JSON.parse(text);
      return Array.isArray(given) ? given.flatMap((one, at) => problemsOf(one, 'instances', at)) : [];
    },
  },
};
