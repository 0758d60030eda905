import type { RolloutDocument } from '../../src/rollout/document';

/** Says everything that can be said. */
export const WHOLE: RolloutDocument = {
  schema: 1,
  service: 'payments',
  canary: 'canary',
  stable: 'stable',
  route: 'everyone',
  maxLoadFactor: 2,
  onSuccess: 'promote',
  steps: [
    { setRoute: { name: 'testers', match: { labels: { 'x-gray': 'canary' } } } },
    { setWeight: 5 },
    { pause: { durationMs: 60_000 } },
    { analysis: { count: 3 } },
    { setWeight: 50 },
    { pause: {} },
    { analysis: { checks: [{ check: 'request-success-rate', threshold: 0.5 }], acceptance: 'unrefuted' } },
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
    provider: {
      prometheus: {
        address: 'http://127.0.0.1:9090',
        labels: { job: 'orders' },
        failureStatusCodes: ['UNAVAILABLE'],
        tokenEnv: 'PROMETHEUS_TOKEN',
        timeoutMs: 5_000,
      },
    },
    checks: [
      { check: 'request-success-rate' },
      { check: 'request-duration', quantile: 'p95', factor: 1.2 },
      { check: 'breaker-open', failureLimit: 1 },
      {
        check: 'value',
        name: 'queue',
        provider: { prometheus: { address: 'http://127.0.0.1:9090', query: 'max(queue_length)' } },
        successCondition: 'result < 100',
        failureCondition: 'result > 500',
        failureLimit: 2,
      },
      {
        check: 'value',
        name: 'hook',
        provider: { webhook: { url: 'https://hooks.example/x' } },
        successCondition: '== 0',
      },
      { check: 'value', name: 'script', provider: { command: { run: ['./check', '-v'] } }, failureCondition: '> 1' },
    ],
  },
  notify: { webhook: { url: 'http://127.0.0.1:1/x', timeoutMs: 100 }, command: { run: ['logger'] } },
};

/** A sound document with one place changed; `undefined` takes it out. */
export function change(path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(WHOLE) as unknown;
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
