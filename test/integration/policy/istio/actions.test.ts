import { describe, expect, it } from 'vitest';
import type { ImportedIstio } from '../../../../src/ops/istio/import';
import type { RouteDocument } from '../../../../src/policy/document';
import { type ImportFlags, importTexts } from './import-texts';

const UNTIL = '2026-12-01T10:00:00Z';
const AT = 'VirtualService/p.spec.http[0]';

/** Of one rule that leads to the service's `v1`. */
function imported(rule: object, flags: ImportFlags = {}): ImportedIstio {
  const http = [{ ...rule, route: [{ destination: { host: 'payments', subset: 'v1' } }] }];
  const resources = [
    { kind: 'VirtualService', metadata: { name: 'p' }, spec: { hosts: ['payments'], http } },
    {
      kind: 'DestinationRule',
      metadata: { name: 'p' },
      spec: { host: 'payments', subsets: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })) },
    },
  ];
  return importTexts([JSON.stringify(resources)], { service: 'payments', ...flags });
}

const route = ({ document }: ImportedIstio): RouteDocument | undefined => document.routes?.[0];
const told = ({ losses }: ImportedIstio): readonly string[] =>
  losses.flatMap(({ path }) => (path === 'default' ? [] : [path]));

describe('a mirror', () => {
  const v2 = { host: 'payments', subset: 'v2' };

  it.each<[object, object]>([
    [{ mirror: v2 }, { to: 'v2' }],
    [
      { mirror: v2, mirrorPercentage: { value: 12.5 } },
      { to: 'v2', percent: 12.5 },
    ],
    [
      { mirror: v2, mirrorPercentage: {} },
      { to: 'v2', percent: 0 },
    ],
    [
      { mirror: v2, mirrorPercent: 3 },
      { to: 'v2', percent: 3 },
    ],
    [{ mirrors: [{ destination: v2, percentage: { value: 5 } }] }, { to: 'v2', percent: 5 }],
    [{ mirror: { host: 'orders', subset: 'v9' } }, { to: { service: 'orders', subset: 'v9' } }],
  ])('becomes that of the route: %j', (rule, mirror) => {
    const result = imported(rule);
    expect(told(result)).toEqual([]);
    expect(route(result)?.mirror).toEqual(mirror);
    expect(result.notes.join()).toContain('a copy runs the method once more');
  });

  it.each<[object, string]>([
    [{ mirror: { host: 'payments', subset: 'v1' } }, 'mirror'],
    [{ mirror: { host: 'example.com' } }, 'mirror.host'],
    [{ mirror: { host: 'payments', subset: 'v7' } }, 'mirror.subset'],
    [{ mirror: v2, mirrorPercentage: { value: 101 } }, 'mirror'],
    [{ mirrors: [{ destination: v2 }, { destination: { host: 'orders' } }] }, 'mirrors[1]'],
  ])('is told where a route has none such: %j', (rule, path) => {
    expect(told(imported(rule))).toEqual([`${AT}.${path}`]);
  });
});

describe('a fault', () => {
  const all = { percentage: { value: 100 } };

  it.each<[object, object]>([
    [{ abort: { httpStatus: 503, percentage: { value: 0.5 } } }, { abort: 'UNAVAILABLE', percent: 0.5 }],
    [{ abort: { grpcStatus: 'ABORTED' } }, { abort: 'ABORTED', percent: 100 }],
    [{ delay: { fixedDelay: '1.5s', percent: 10 } }, { delayMs: 1500, percent: 10 }],
    [
      { abort: { httpStatus: 403, ...all }, delay: { fixedDelay: '2s', ...all } },
      { abort: 'PERMISSION_DENIED', delayMs: 2000, percent: 100 },
    ],
  ])('becomes that of the route, with the end that is given: %j', (fault, expected) => {
    const result = imported({ fault }, { faultUntil: UNTIL });
    expect(told(result)).toEqual([]);
    expect(route(result)?.fault).toEqual({ ...expected, until: UNTIL });
  });

  it('is told without an end, with the option that gives one', () => {
    const result = imported({ fault: { abort: { httpStatus: 503 } } });
    expect(result.losses[0]?.message).toContain('--fault-until TIME');
    expect(result.document.routes).toBeUndefined();
  });

  it.each<[object, string]>([
    [{ abort: { httpStatus: 418 } }, 'abort.httpStatus'],
    [{ abort: { grpcStatus: 'OK' } }, 'abort.grpcStatus'],
    [{ abort: { httpStatus: 503, percentage: { value: 'x' } } }, 'abort.percentage'],
    [{ delay: { exponentialDelay: '1s', fixedDelay: '1s' } }, 'delay.exponentialDelay'],
    [{ abort: { httpStatus: 503 }, delay: { fixedDelay: '1s', percent: 10 } }, 'delay'],
  ])('is told where a policy has none such: %j', (fault, path) => {
    expect(told(imported({ fault }, { faultUntil: UNTIL }))).toEqual([`${AT}.fault.${path}`]);
  });
});

describe('who calls', () => {
  it.each([
    { app: 'orders' },
    { 'app.kubernetes.io/name': 'orders' },
    { app: 'orders', 'app.kubernetes.io/name': 'orders' },
  ])('is the name that the client states: %j', (sourceLabels) => {
    const result = imported({ match: [{ sourceLabels }] });
    expect(told(result)).toEqual([]);
    expect(route(result)?.match).toEqual({ from: ['orders'] });
    expect(result.notes.join()).toContain("serviceName: 'orders'");
  });

  it.each([{ version: 'v1' }, { app: 'orders', version: 'v1' }, { app: 'a', 'app.kubernetes.io/name': 'b' }])(
    'is told by other labels: %j',
    (sourceLabels) => {
      const result = imported({ match: [{ sourceLabels }] });
      expect(told(result)).toEqual([`${AT}.match[0].sourceLabels`]);
      expect(result.document.routes).toBeUndefined();
    },
  );
});

describe('a cookie', () => {
  it.each([
    [{ regex: '^(.*?;)?(user=jason)(;.*)?$' }],
    [{ regex: '^(.*?; )?(user=jason)(;.*)?$' }],
    [{ regex: '^(.*;)?user=jason(;.*)?$' }],
    [{ regex: '(.*;\\s*)?user=jason(;.*)?' }],
    [{ exact: 'user=jason' }],
  ])('is a label: %j', (condition) => {
    const result = imported({ match: [{ headers: { Cookie: condition } }] });
    expect(told(result)).toEqual([]);
    expect(route(result)?.match).toEqual({ labels: { 'cookie:user': 'jason' } });
  });

  it.each([
    [{ regex: '.*user=jason.*' }],
    [{ regex: '^(.*?;)?(user=j.son)(;.*)?$' }],
    [{ regex: '^(.*?;)?(user=[a-z]+)(;.*)?$' }],
    [{ prefix: 'user=' }],
    [{ exact: 'a=b; c=d' }],
    [{}],
  ])('is told where the condition says something else: %j', (condition) => {
    const result = imported({ match: [{ headers: { cookie: condition } }] });
    expect(told(result)).toEqual([`${AT}.match[0].headers.cookie`]);
    expect(result.document.routes).toBeUndefined();
  });
});
