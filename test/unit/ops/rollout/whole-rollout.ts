import type { RolloutDocument, ValueCheck } from '../../../../src/ops/rollout/document';

/** Says everything that can be said. */
export const WHOLE: RolloutDocument = {
  $schema: 'node_modules/graylane/dist/rollout.schema.json',
  schema: 1,
  service: 'payments',
  canary: 'canary',
  stable: 'stable',
  route: 'everyone',
  maxLoadFactor: 2,
  onSuccess: 'promote',
  deployment: 'nomad',
  steps: [
    {
      setRoute: {
        name: 'testers',
        match: {
          methods: ['/shop.v1.Payments/Charge'],
          labels: { 'x-gray': 'canary' },
          any: [{ labels: { 'x-region': 'eu' } }],
          sample: { by: 'x-user-id', percent: 10 },
          from: ['checkout'],
        },
      },
    },
    { setWeight: 5 },
    { pause: { durationMs: 60_000 } },
    { analysis: { count: 3 } },
    { setWeight: 50 },
    { pause: {} },
    { analysis: { checks: [{ check: 'request-success-rate', threshold: 0.5, minimum: 99 }], acceptance: 'unrefuted' } },
    {
      analysis: {
        intervalMs: 200,
        initialDelayMs: 0,
        minimumCalls: 10,
        consecutiveErrorLimit: 1,
        inconclusiveLimit: 1,
        checks: [
          { check: 'request-duration', quantile: 'p50', factor: 3, maximumMs: 250 },
          { check: 'breaker-open', failureLimit: 0 },
          ...valueChecks(),
          { check: 'mirror-compare', maximum: 0.5 },
        ],
      },
    },
    { gate: 'load' },
    { approval: { note: 'compare the totals' } },
    { setMirror: { percent: 50, maxInFlight: 10, timeoutMs: 500, compare: { ignore: ['updated_at'] } } },
    { clearRoute: 'testers' },
  ],
  analysis: {
    intervalMs: 10_000,
    count: 5,
    initialDelayMs: 1_000,
    minimumCalls: 50,
    consecutiveErrorLimit: 2,
    inconclusiveLimit: 3,
    acceptance: 'proven',
    background: true,
    falseAlarmRate: 0.02,
    missRate: 0.05,
    provider: 'metrics',
    failureStatusCodes: ['UNAVAILABLE'],
    checks: [
      { check: 'request-success-rate', threshold: 2, minimum: 99.5 },
      { check: 'request-duration', quantile: 'p95', factor: 1.2, maximumMs: 500 },
      { check: 'breaker-open', failureLimit: 1 },
      ...valueChecks(),
      { check: 'mirror-compare', maximum: 0.5 },
    ],
  },
  notify: ['on-call', 'log'],
  gates: [
    { gate: 'board', when: 'before-step', steps: [2, 7] },
    { gate: 'board', when: 'before-promotion' },
    { gate: 'incidents', when: 'at-rollback' },
  ],
  schedule: {
    timeZone: 'Asia/Shanghai',
    hours: [
      { days: ['mon', 'tue'], from: '09:30', until: '12:00' },
      { from: '13:00', until: '24:00' },
    ],
    freeze: [{ from: '2026-12-24T00:00:00Z', until: '2027-01-02T00:00:00+01:00', reason: 'year end' }],
  },
};

/** A sound document with one place changed; `undefined` takes it out. */
export function change(path: readonly (string | number)[], value: unknown, sound: RolloutDocument = WHOLE): unknown {
  const copy = structuredClone(sound) as unknown;
  let holder = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

/** Every place of a value, the value itself included. */
export function placesOf(
  value: unknown,
  path: readonly (string | number)[] = [],
): readonly (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const inner = keys.flatMap((key) => placesOf((value as Record<string | number, unknown>)[key], [...path, key]));
  return path.length === 0 ? inner : [path, ...inner];
}

/** Anew each time: a clone keeps what is shared shared, and a change of one place must not be one of two. */
function valueChecks(): readonly ValueCheck[] {
  return [
    {
      check: 'value',
      name: 'queue',
      provider: 'metrics',
      query: 'max(queue_length)',
      successCondition: 'result < 100',
      failureCondition: 'result > 500',
      failureLimit: 2,
    },
    { check: 'value', name: 'hook', provider: 'load-test', successCondition: '== 0' },
    { check: 'value', name: 'script', provider: 'compare', failureCondition: '> 1' },
  ];
}
