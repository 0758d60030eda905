import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraylaneError } from '../../../src/base/errors';
import { compilePolicy, emptyPlan } from '../../../src/policy/compile';
import type { GuardDocument } from '../../../src/policy/document';
import { ALL_INSTANCES, type GuardPlan, type Plan } from '../../../src/policy/plan';
import { PolicyError } from '../../../src/policy/policy-error';
import { soundPolicy } from './arbitrary-policy';

const OPTIONS = { service: 'payments', origin: 'file' } as const;
const MINIMAL = { schema: 1, service: 'payments' };

const compile = (content: string | object): Plan =>
  compilePolicy({ content, format: typeof content === 'string' ? 'yaml' : 'object' }, OPTIONS);

describe('compilePolicy', () => {
  it('applies every default', () => {
    expect(compile(MINIMAL)).toMatchObject({
      service: 'payments',
      origin: 'file',
      index: undefined,
      routes: [],
      override: undefined,
      labelKeys: [],
      balancing: { algorithm: 'peak_ewma', slowStartMs: 0, hashBy: undefined, subsetSize: undefined },
      locality: { failover: undefined, prefer: 'subset' },
      retryBudget: { percent: 20, minPerSecond: 0.5 },
      breaker: {
        enabled: true,
        errorThresholdPercentage: 50,
        volumeThreshold: 5,
        consecutiveFailures: 5,
        silentFailures: 2,
        slowCallMs: undefined,
        resetTimeoutMs: 5_000,
        maxEjectionPercentage: 50,
        failureStatusCodes: new Set([
          'UNAVAILABLE',
          'DEADLINE_EXCEEDED',
          'INTERNAL',
          'UNKNOWN',
          'RESOURCE_EXHAUSTED',
          'DATA_LOSS',
        ]),
      },
      subsetBreaker: { enabled: true, errorThresholdPercentage: 50, volumeThreshold: 10 },
      warnings: [],
    });
    expect(compile({ ...MINIMAL, retry: {} }).fallthrough.retry).toEqual({
      maxAttempts: 2,
      retryableStatusCodes: ['UNAVAILABLE'],
      initialBackoffMs: 20,
      maxBackoffMs: 200,
      backoffMultiplier: 2,
    });
    expect(compile({ ...MINIMAL, retry: 'off' }).fallthrough.retry).toBe('off');
    expect(compile(MINIMAL).fallthrough.retry).toBeUndefined();
  });

  it('lets a bound that was left out give way to the one that was written', () => {
    expect(compile({ ...MINIMAL, retry: { initialBackoffMs: 500 } }).fallthrough.retry).toMatchObject({
      maxBackoffMs: 500,
    });
    expect(compile({ ...MINIMAL, retry: { maxBackoffMs: 5 } }).fallthrough.retry).toMatchObject({
      initialBackoffMs: 5,
    });
    expect(compile({ ...MINIMAL, breaker: { maxResetTimeoutMs: 100 } }).breaker.resetTimeoutMs).toBe(100);
    expect(compile({ ...MINIMAL, subsetBreaker: { resetTimeoutMs: 90_000 } }).subsetBreaker.maxResetTimeoutMs).toBe(
      90_000,
    );
  });

  it('lays a subset’s breaker over the policy’s', () => {
    const plan = compile({
      ...MINIMAL,
      breaker: { volumeThreshold: 9, consecutiveFailures: 9 },
      subsets: { stable: {}, canary: { tags: ['c'], breaker: { consecutiveFailures: 2 } } },
      default: 'stable',
    });
    expect(plan.subsets.get('canary')?.breaker).toMatchObject({
      volumeThreshold: 9,
      consecutiveFailures: 2,
      silentFailures: 2,
    });
    expect(plan.subsets.get('stable')?.breaker).toMatchObject({ volumeThreshold: 9, consecutiveFailures: 9 });
  });

  it('takes all instances without subsets, and a lone subset for the default', () => {
    expect(compile(MINIMAL).fallthrough.destination.subset).toBe(ALL_INSTANCES);
    expect(compile({ ...MINIMAL, subsets: { only: { tags: ['x'] } } }).fallthrough.destination.subset).toBe('only');
    const routed = compile({
      ...MINIMAL,
      routes: [{ name: 'slow', match: { methods: ['/a.B/Slow'] }, to: ALL_INSTANCES, timeoutMs: 9 }],
    });
    expect(routed.routes[0]?.split.entries[0]?.decision).toMatchObject({
      timeoutMs: 9,
      destination: { subset: ALL_INSTANCES },
    });
  });

  it('gives a guard its defaults, its fallback to be held against, and bounds that agree', () => {
    const guardOf = (guard: GuardDocument): GuardPlan | undefined =>
      compile({
        schema: 1,
        service: 'payments',
        default: 'stable',
        subsets: { stable: {}, other: { tags: ['o'] }, canary: { tags: ['c'], fallback: 'stable', guard } },
      }).subsets.get('canary')?.guard;
    expect(guardOf({})).toEqual({
      against: 'stable',
      minimumCalls: 20,
      maxExcessFailurePercentage: 5,
      maxLatencyFactor: undefined,
      windowMs: 60_000,
      holdMs: 60_000,
      maxHoldMs: 600_000,
      dryRun: false,
    });
    expect(guardOf({ against: 'other', maxLatencyFactor: 2 })).toMatchObject({ against: 'other', maxLatencyFactor: 2 });
    expect(guardOf({ holdMs: 900_000 })).toMatchObject({ holdMs: 900_000, maxHoldMs: 900_000 });
    expect(guardOf({ maxHoldMs: 5_000 })).toMatchObject({ holdMs: 5_000, maxHoldMs: 5_000 });
  });

  it('follows fallbacks to their end', () => {
    const subsets = { a: { fallback: 'b' }, b: { tags: ['b'], fallback: 'c' }, c: { tags: ['c'] } };
    const plan = compile({ ...MINIMAL, subsets, default: 'a' });
    expect(plan.destinations.map(({ subset, strict, chain }) => [subset, strict, chain])).toEqual([
      ['a', false, ['a', 'b', 'c']],
      ['a', true, ['a']],
      ['b', false, ['b', 'c']],
      ['b', true, ['b']],
      ['c', false, ['c']],
      ['c', true, ['c']],
    ]);
    expect(plan.destinations.every((destination, index) => destination.index === index)).toBe(true);
  });

  it('lists the labels that it reads, lower-cased', () => {
    const plan = compile({
      ...MINIMAL,
      subsets: { s: {} },
      balancing: { algorithm: 'ring_hash', hashBy: 'X-Cart' },
      routes: [
        {
          name: 'a',
          match: { labels: { 'X-A': 'a' }, any: [{ labels: { 'X-B': 'b' } }], sample: { by: 'X-S', percent: 1 } },
          to: 's',
        },
        { name: 'b', to: 's', stickBy: 'X-U' },
      ],
    });
    expect([...plan.labelKeys].sort()).toEqual(['x-a', 'x-b', 'x-cart', 'x-s', 'x-u']);
  });

  it('has one revision for one document, however it is written', () => {
    const yaml = 'service: payments # who\nschema: 1\nsubsets: { s: { tags: [x] } }\n';
    const revision = compile(yaml).revision;
    expect(revision).toMatch(/^[0-9a-f]{12}$/);
    expect(
      compile({ subsets: { s: { tags: ['x'], filter: undefined } }, schema: 1, service: 'payments' }).revision,
    ).toBe(revision);
    expect(compilePolicy({ content: Buffer.from(yaml), format: 'yaml', index: '7' }, OPTIONS)).toMatchObject({
      revision,
      index: '7',
    });
    expect(compile(yaml.replace('[x]', '[y]')).revision).not.toBe(revision);
  });

  it('shares nothing with the object it was given, and freezes what it keeps', () => {
    const document = {
      ...MINIMAL,
      subsets: { s: { tags: ['x'] } },
      routes: [{ name: 'r', to: 's', retry: { maxAttempts: 3 } }],
    };
    const plan = compile(document);
    document.subsets.s.tags.push('y');
    expect(plan.subsets.get('s')?.tags).toEqual(['x']);
    const seen = new Set<object>();
    const expectFrozen = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      expect(Object.isFrozen(value) || value instanceof Set || value instanceof Map).toBe(true);
      for (const inner of value instanceof Map ? value.values() : Object.values(value)) expectFrozen(inner);
    };
    expectFrozen(plan);
    expect(seen.size).toBeGreaterThan(20);
  });

  it('refuses with every problem and where it stands', () => {
    const text = 'schema: 1\nservice: payments\nretries: 3\nroutes:\n  - name: a\n    to: nowhere\nservice: orders\n';
    const error = catchError(() => compile(text));
    expect(error).toBeInstanceOf(GraylaneError);
    expect(error).toMatchObject({ name: 'PolicyError', code: 'INVALID_POLICY' });
    expect(error.problems.map(({ path, line, column }) => [path, line, column])).toEqual([
      ['service', 7, 1],
      ['retries', 3, 1],
      ['service', 7, 1],
      ['routes[0].to', 6, 5],
    ]);
    expect(error.message).toContain('policy of payments refused, 4 problems:\n  7:1 service: given twice');
  });

  it('compiles whatever is sound', () => {
    fc.assert(
      fc.property(soundPolicy, (document) => {
        const plan = compile(document);
        for (const { split } of plan.routes) {
          expect(split.entries.reduce((sum, entry) => sum + entry.buckets, 0)).toBe(10_000);
          for (const { weight, buckets } of split.entries) expect(buckets > 0).toBe(weight > 0);
        }
        expect(compile(JSON.stringify(document)).revision).toBe(plan.revision);
      }),
    );
  });
});

describe('emptyPlan', () => {
  it('says that there is no policy', () => {
    expect(emptyPlan('payments')).toMatchObject({
      origin: 'none',
      revision: 'none',
      document: undefined,
      routes: [],
      destinations: [
        { index: 0, subset: ALL_INSTANCES, strict: false },
        { index: 1, subset: ALL_INSTANCES, strict: true },
      ],
    });
  });
});

function catchError(run: () => unknown): PolicyError {
  try {
    run();
  } catch (error) {
    if (error instanceof PolicyError) return error;
  }
  throw new Error('no PolicyError');
}
