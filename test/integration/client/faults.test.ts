import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type LogFields, silentLogger } from '../../../src/base/logger';
import { createGraylane, type GraylaneOptions, type PolicyDocument } from '../../../src/index';
import { CALL_KINDS, type CallKind, run } from '../../support/call-kinds';
import { closeAfterEach } from '../../support/closers';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { isLong } from '../../support/slice';
import { untilConnected } from '../../support/until-ready';

const closing = closeAfterEach();
const KINDS = Object.keys(CALL_KINDS) as CallKind[];
const GRAY = { 'x-gray': 'canary' };
/** Long after the test. */
const LATER = '2100-01-01T00:00:00Z';
const DRILL = { name: 'drill', match: { labels: GRAY }, percent: 100, until: LATER };
const QUIET = { breaker: { enabled: false }, subsetBreaker: { enabled: false } };
const PLENTY = { retryBudget: { percent: 100, minPerSecond: 10_000 } };

interface Logged {
  readonly message: string;
  readonly fields: LogFields;
}

async function world(policy: object, more: Partial<GraylaneOptions> = {}) {
  const start = async (version: string): Promise<PaymentsServer> =>
    closing(await startPaymentsServer({ name: version, version }), (one) => one.kill());
  const [canary, stable] = [await start('canary'), await start('stable')];
  const logged: Logged[] = [];
  const document = (own: object): PolicyDocument =>
    ({
      schema: 1,
      service: 'payments',
      subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
      default: 'stable',
      routes: [{ name: 'testers', match: { labels: { 'x-gray': { present: true } } }, to: 'canary' }],
      ...own,
    }) as PolicyDocument;
  const graylane = closing(
    createGraylane({
      instances: {
        payments: [canary, stable].map(({ port, version }) => ({
          address: '127.0.0.1',
          port,
          id: version,
          tags: [version],
        })),
      },
      policies: { payments: document(policy) },
      logger: { ...silentLogger, warn: (message: string, fields: LogFields = {}) => logged.push({ message, fields }) },
      ...more,
    }),
    (one) => one.close(),
  );
  const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) => one.close());
  await graylane.ready('payments');
  await untilConnected(graylane, 2);
  const fault = () => graylane.inspect().services[0]?.faults[0];
  const setPolicy = (own: object): void => graylane.setPolicy('payments', document(own));
  return { graylane, client, canary, stable, fault, logged, setPolicy };
}

async function statusOf(call: Promise<unknown>): Promise<Partial<grpc.ServiceError>> {
  return call.then(
    () => ({ code: grpc.status.OK }),
    ({ code, details }: grpc.ServiceError) => ({ code, details }),
  );
}

describe('a fault of the policy', () => {
  it.each(KINDS)('%s: the attempt fails with its status, and reaches no server', async (kind) => {
    const { client, canary, stable, fault } = await world({ ...QUIET, faults: [{ ...DRILL, abort: 'ABORTED' }] });
    expect(await run(client, kind, GRAY)).toBe(grpc.status.ABORTED);
    expect(await run(client, kind, { 'x-gray': 'other' })).toBe(grpc.status.OK);
    expect(await run(client, kind)).toBe(grpc.status.OK);
    expect([canary.calls, stable.calls]).toEqual([1, 1]);
    expect(fault()).toMatchObject({
      name: 'drill',
      state: 'in force',
      hitAttempts: 1,
      calls: 1,
      failed: 1,
      hitAndFailed: 1,
    });
  });

  it.each(KINDS)('%s: the attempt begins late, and is answered', async (kind) => {
    const { client, canary, fault } = await world({ ...QUIET, faults: [{ ...DRILL, delayMs: 120 }] });
    const begunAt = performance.now();
    expect(await run(client, kind, GRAY)).toBe(grpc.status.OK);
    expect(performance.now() - begunAt).toBeGreaterThan(115);
    expect(canary.calls).toBe(1);
    expect(fault()).toMatchObject({ hitAttempts: 1, calls: 1, failed: 0, delayed: 1 });
  });

  it.each(KINDS)('%s: delayed, then failed', async (kind) => {
    const { client, canary } = await world({ ...QUIET, faults: [{ ...DRILL, delayMs: 60, abort: 'INTERNAL' }] });
    const begunAt = performance.now();
    expect(await run(client, kind, GRAY)).toBe(grpc.status.INTERNAL);
    expect(performance.now() - begunAt).toBeGreaterThan(55);
    expect(canary.calls).toBe(0);
  });

  it('says in details and reports that it is a drill', async () => {
    const { client, graylane } = await world({ ...QUIET, faults: [{ ...DRILL, abort: 'UNAVAILABLE' }] });
    const reports: unknown[] = [];
    const observed = { observe: (report: unknown) => reports.push(report) };
    const status = await graylane.with(observed, () => statusOf(charge(client, GRAY)));
    expect(status).toEqual({ code: grpc.status.UNAVAILABLE, details: 'fault drill of the policy (drill)' });
    expect(reports).toMatchObject([{ attempts: [{ fault: 'drill' }] }]);
  });

  it('touches no call that does not match', { timeout: 900_000 }, async () => {
    const faults = [
      { ...DRILL, abort: 'UNAVAILABLE' },
      { ...DRILL, name: 'late', delayMs: 50 },
    ];
    const { client, canary, stable, fault } = await world({ ...QUIET, faults });
    const others = isLong ? 100_000 : 600;
    let failed = 0;
    let begun = 0;
    const caller = async (): Promise<void> => {
      while (begun < others) {
        begun += 1;
        // Some go to the canary as well, by another label.
        const labels = begun % 2 === 0 ? {} : { 'x-gray': `not-${begun % 7}` };
        if ((await statusOf(charge(client, labels))).code !== grpc.status.OK) failed += 1;
        if (begun % 20 === 0) await statusOf(charge(client, GRAY));
      }
    };
    await Promise.all(Array.from({ length: 32 }, caller));
    expect(failed).toBe(0);
    expect(canary.calls + stable.calls).toBe(others);
    expect(fault()).toMatchObject({ hitAttempts: fault()?.calls, failed: fault()?.calls });
    expect(fault()?.calls).toBeGreaterThan(others / 40);
  });

  it('hits the share of attempts that it says', async () => {
    const { client, fault, canary } = await world({
      ...QUIET,
      faults: [{ ...DRILL, abort: 'UNAVAILABLE', percent: 12.34 }],
    });
    const calls = 1_000;
    await Promise.all(Array.from({ length: calls }, () => statusOf(charge(client, GRAY))));
    const { hitAttempts = 0 } = fault() ?? {};
    expect(hitAttempts).toBe(calls - canary.calls);
    // Five standard deviations.
    expect(Math.abs(hitAttempts - calls * 0.1234)).toBeLessThan(5 * Math.sqrt(calls * 0.1234 * 0.8766));
  });

  it('only concerns attempts at the subset that it names', async () => {
    const retry = { maxAttempts: 2, initialBackoffMs: 1 };
    const faults = [{ ...DRILL, abort: 'UNAVAILABLE', in: 'stable' }];
    const { client, fault, stable, canary } = await world({ ...QUIET, ...PLENTY, retry, faults });
    expect(await statusOf(charge(client, GRAY))).toEqual({ code: grpc.status.OK });
    canary.behave({ code: grpc.status.UNAVAILABLE });
    // The retry goes to the stable one, and is hit there.
    expect((await statusOf(charge(client, GRAY))).details).toBe('fault drill of the policy (drill)');
    expect(stable.calls).toBe(0);
    expect(fault()).toMatchObject({ calls: 2, hitCalls: 1, hitAndFailed: 1 });
  });

  it('lets retries and fallbacks save calls, and says which did', async () => {
    const retry = { maxAttempts: 3, initialBackoffMs: 1 };
    const faults = [{ ...DRILL, abort: 'UNAVAILABLE', in: 'canary' }];
    const { client, fault, setPolicy, stable } = await world({ ...QUIET, ...PLENTY, retry, faults });
    for (let call = 0; call < 5; call += 1) expect((await statusOf(charge(client, GRAY))).code).toBe(grpc.status.OK);
    expect(stable.calls).toBe(5);
    expect(fault()).toMatchObject({ calls: 5, hitCalls: 5, failed: 0, savedByFallback: 5, savedByRetry: 0 });
    // No fallback, one attempt in two fails: three are enough mostly, and nothing but a retry can have helped.
    const subsets = { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } };
    setPolicy({
      ...QUIET,
      ...PLENTY,
      subsets,
      retry,
      faults: [{ ...DRILL, name: 'half', abort: 'UNAVAILABLE', percent: 50 }],
    });
    for (let call = 0; call < 200; call += 1) await statusOf(charge(client, GRAY));
    const { calls, hitCalls = 0, savedByRetry = 0, hitAndFailed = 0, savedByFallback } = fault() ?? {};
    expect(calls).toBe(200);
    expect([hitCalls, savedByFallback]).toEqual([savedByRetry + hitAndFailed, 0]);
    expect(savedByRetry).toBeGreaterThan(hitAndFailed);
    expect(hitAndFailed).toBeGreaterThan(0);
  });

  it('opens breakers as a real failure does, and says what they saved', async () => {
    const faults = [{ ...DRILL, abort: 'UNAVAILABLE', in: 'canary' }];
    const { client, fault, graylane } = await world({ faults });
    const codes: (number | undefined)[] = [];
    for (let call = 0; call < 60; call += 1) codes.push((await statusOf(charge(client, GRAY))).code);
    expect(codes.at(-1)).toBe(grpc.status.OK);
    expect(graylane.inspect().services[0]?.breakers.some(({ state }) => state !== 'closed')).toBe(true);
    const { failed = 0, savedByBreaker = 0, savedByFallback = 0, calls } = fault() ?? {};
    expect(calls).toBe(60);
    expect(failed).toBe(codes.filter((code) => code !== grpc.status.OK).length);
    expect(failed + savedByBreaker + savedByFallback).toBe(60);
    expect(savedByBreaker).toBeGreaterThan(30);
  });

  it('of a route concerns the calls that the route decides', async () => {
    const fault = { abort: 'DATA_LOSS', percent: 100, until: LATER };
    const routes = [
      { name: 'testers', match: { labels: GRAY }, to: 'canary', fault },
      { name: 'others', match: { labels: { 'x-gray': { present: true } } }, to: 'canary' },
    ];
    const { client, graylane, fault: seen } = await world({ ...QUIET, routes });
    expect((await statusOf(charge(client, GRAY))).details).toBe('fault route testers of the policy (drill)');
    expect((await statusOf(charge(client, { 'x-gray': 'other' }))).code).toBe(grpc.status.OK);
    expect((await statusOf(charge(client))).code).toBe(grpc.status.OK);
    const explain = (labels: Readonly<Record<string, string>>) =>
      graylane.explain('payments', { method: '/shop.v1.Payments/Charge', labels }).routing.faults;
    expect(explain(GRAY)).toEqual([
      { name: 'route testers', effect: '100 % of attempts fail with DATA_LOSS', percent: 100, until: LATER },
    ]);
    expect(explain({})).toBeUndefined();
    expect(seen()).toMatchObject({ name: 'route testers', calls: 1 });
  });

  it.each<[string, object, Partial<GraylaneOptions>]>([
    ['while an override is in force', { override: { to: 'canary', until: LATER } }, {}],
    ['in observe mode', {}, { mode: 'observe' }],
    ['after its end', { faults: [{ ...DRILL, abort: 'ABORTED', until: '2026-01-01T00:00:00Z' }] }, {}],
  ])('hits nothing %s', async (_, policy, options) => {
    const faults = [{ ...DRILL, abort: 'ABORTED' }];
    const { client } = await world({ ...QUIET, faults, ...policy }, options);
    expect((await statusOf(charge(client, GRAY))).code).toBe(grpc.status.OK);
  });
});

describe('the end of a fault', () => {
  it('comes by itself', async () => {
    const until = new Date(Date.now() + 1_500).toISOString();
    const { client, fault, canary } = await world({ ...QUIET, faults: [{ ...DRILL, abort: 'UNAVAILABLE', until }] });
    const seen: { readonly atMs: number; readonly code: number | undefined }[] = [];
    await expect
      .poll(async () => {
        const atMs = Date.now();
        const { code } = await statusOf(charge(client, GRAY));
        seen.push({ atMs, code });
        return code;
      })
      .toBe(grpc.status.OK);
    const end = Date.parse(until);
    expect(seen[0]?.code).toBe(grpc.status.UNAVAILABLE);
    expect(seen.filter(({ atMs, code }) => code !== grpc.status.OK && atMs > end)).toEqual([]);
    expect(fault()?.state).toBe('ended');
    expect(canary.calls).toBe(1);
  });

  it('comes early when callers suffer, for good, and is told once', async () => {
    const stopAbove = { failedPercentage: 5, minimumCalls: 50 };
    const policy = { ...QUIET, faults: [{ ...DRILL, abort: 'UNAVAILABLE', percent: 50, stopAbove }] };
    const { client, fault, logged, setPolicy, graylane } = await world(policy);
    const begunAt = performance.now();
    await expect
      .poll(
        async () => {
          await statusOf(charge(client, GRAY));
          return fault()?.state;
        },
        { interval: 1 },
      )
      .toBe('stopped');
    expect(performance.now() - begunAt).toBeLessThan(10_000);
    expect(fault()?.stoppedBecause).toMatch(
      /^\d+ of \d+ calls failed in 10 s \(\d+\.\d %; stopAbove.failedPercentage is 5\)$/,
    );
    const hits = fault()?.hitAttempts;
    // Also where the policy drops it and brings it back.
    for (const next of [policy, QUIET, policy]) {
      setPolicy(next);
      for (let call = 0; call < 20; call += 1) expect((await statusOf(charge(client, GRAY))).code).toBe(grpc.status.OK);
    }
    expect(fault()).toMatchObject({ state: 'stopped', hitAttempts: hits });
    expect(logged.filter(({ message }) => message.startsWith('a fault of the policy is stopped'))).toHaveLength(1);
    expect(graylane.inspect().services[0]?.faults).toHaveLength(1);
    // Another end is another drill.
    setPolicy({ ...QUIET, faults: [{ ...DRILL, abort: 'UNAVAILABLE', until: '2100-01-02T00:00:00Z' }] });
    expect((await statusOf(charge(client, GRAY))).code).toBe(grpc.status.UNAVAILABLE);
  });

  it('does not come while retries save the calls', async () => {
    const stopAbove = { failedPercentage: 5, minimumCalls: 20 };
    const retry = { maxAttempts: 3, initialBackoffMs: 1 };
    const faults = [{ ...DRILL, abort: 'UNAVAILABLE', in: 'canary', stopAbove }];
    const { client, fault } = await world({ ...QUIET, ...PLENTY, retry, faults });
    for (let call = 0; call < 100; call += 1) expect((await statusOf(charge(client, GRAY))).code).toBe(grpc.status.OK);
    expect(fault()).toMatchObject({ state: 'in force', hitCalls: 100, savedByFallback: 100 });
  });
});

describe('a delayed attempt', () => {
  const LATE = { ...DRILL, delayMs: 60_000 };

  it.each(KINDS)('%s: ends with its deadline, and no server hears of it', async (kind) => {
    const routes = [{ name: 'testers', match: { labels: GRAY }, to: 'canary', timeoutMs: 80 }];
    const { client, canary, fault } = await world({ ...QUIET, routes, faults: [LATE] });
    expect(await run(client, kind, GRAY)).toBe(grpc.status.DEADLINE_EXCEEDED);
    await expect.poll(() => fault()?.failed).toBe(1);
    expect(await run(client, kind)).toBe(grpc.status.OK);
    expect(canary.calls).toBe(0);
  });

  it.each(KINDS)('%s: ends when its caller cancels it', async (kind) => {
    const { client, canary, graylane, fault } = await world({ ...QUIET, faults: [LATE] });
    const metadata = new grpc.Metadata();
    metadata.set('x-gray', 'canary');
    const inFlight = (): number | undefined =>
      graylane.inspect().services[0]?.endpoints.reduce((sum, each) => sum + each.inFlight, 0);
    const ended = new Promise((resolve) => {
      const call = CALL_KINDS[kind](client, metadata, resolve);
      void expect
        .poll(inFlight)
        .toBe(1)
        .then(() => call.cancel());
    });
    expect(await ended).toBe(grpc.status.CANCELLED);
    await expect.poll(inFlight).toBe(0);
    expect(canary.calls).toBe(0);
    expect(fault()).toMatchObject({ hitAttempts: 1, calls: 0, failed: 0 });
  });

  it('is given up by attemptTimeoutMs, and made elsewhere', async () => {
    const retry = { maxAttempts: 2, initialBackoffMs: 1 };
    const { client, canary, stable, fault } = await world({
      ...QUIET,
      ...PLENTY,
      retry,
      attemptTimeoutMs: 60,
      faults: [{ ...LATE, in: 'canary' }],
    });
    expect((await charge(client, GRAY)).servedBy).toBe('stable');
    expect([canary.calls, stable.calls]).toEqual([0, 1]);
    expect(fault()).toMatchObject({ hitCalls: 1, savedByFallback: 1 });
  });

  it('is overtaken by a hedge', async () => {
    const routes = [{ name: 'testers', match: { labels: GRAY }, to: 'canary', hedging: { delayMs: 20 } }];
    const { client, fault } = await world({ ...QUIET, ...PLENTY, routes, faults: [{ ...LATE, in: 'canary' }] });
    expect((await charge(client, GRAY)).servedBy).toBe('stable');
    await expect.poll(fault).toMatchObject({ hitCalls: 1, savedByFallback: 1 });
  });

  it('is made elsewhere when its connection ends meanwhile', async () => {
    const { client, canary, fault } = await world({ ...QUIET, faults: [{ ...DRILL, delayMs: 400, in: 'canary' }] });
    const call = charge(client, GRAY);
    await expect.poll(() => fault()?.hitAttempts).toBe(1);
    canary.kill();
    expect((await call).servedBy).toBe('stable');
  });
});
