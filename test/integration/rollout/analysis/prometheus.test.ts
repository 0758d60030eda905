import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { describe, expect, it, vi } from 'vitest';
import { createGraylane } from '../../../../src/index';
import { judge } from '../../../../src/ops/rollout/analysis/judge';
import { measureRollout } from '../../../../src/ops/rollout/analysis/measure-rollout';
import { resolveAnalysis } from '../../../../src/ops/rollout/analysis/settings';
import type { Measurement } from '../../../../src/ops/rollout/analysis/subset-metrics';
import { callsOf, quantileMs } from '../../../../src/ops/rollout/analysis/subset-metrics';
import { NO_CONFIG } from '../../../../src/ops/rollout/config/controller-config';
import type { RolloutDocument, ValueCheck } from '../../../../src/ops/rollout/document';
import type { PolicyDocument } from '../../../../src/policy/document';
import { closeAfterAll, pause } from '../../../support/closers';
import { printFact } from '../../../support/figure';
import { GRAY, graySplit } from '../../../support/gray-policy';
import { charge, paymentsClient, startPaymentsServer } from '../../../support/payments';
import { WINDOW } from '../../../unit/ops/rollout/analysis/window';
import { asOthersSpell } from '../../telemetry/incidents/recording';
import { startPrometheus } from '../../telemetry/prometheus-process';

const afterTest = closeAfterAll();

const POLICY = {
  ...GRAY,
  routes: [
    {
      name: 'everyone',
      split: graySplit(50),
    },
  ],
  retry: 'off',
} as const;

async function start(more: Partial<PolicyDocument> = {}, spell: (series: string) => string = (series) => series) {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const scrapes = { fail: false };
  const scraped = createServer((_request, response) => {
    if (scrapes.fail) return void response.writeHead(503).end();
    exporter.getMetricsRequestHandler(_request, {
      statusCode: 200,
      setHeader: (name: string, value: string) => response.setHeader(name, value),
      end: (text: string) => response.end(text.split('\n').map(spell).join('\n')),
    } as never);
  });
  await new Promise<void>((resolve) => scraped.listen(0, '127.0.0.1', resolve));
  afterTest(scraped, (server) => {
    server.closeAllConnections();
    server.close();
  });
  const open = async (version: 'stable' | 'canary') =>
    afterTest(await startPaymentsServer({ name: version, version }), (server) => server.kill());
  const stable = await open('stable');
  const canary = await open('canary');
  const graylane = afterTest(
    createGraylane({
      instances: {
        payments: [stable, canary].map(({ host, port, version }) => ({ address: host, port, tags: [version] })),
      },
      policies: { payments: { ...POLICY, ...more } },
      telemetry: { meterProvider: new MeterProvider({ readers: [exporter] }) },
    }),
    (each) => each.close(),
  );
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const target = `127.0.0.1:${(scraped.address() as AddressInfo).port}`;
  const prometheus = afterTest(await startPrometheus(target), (each) => each.stop());
  const ratio: ValueCheck = {
    check: 'value',
    name: 'ratio',
    provider: 'metrics',
    query:
      'sum(graylane_attempts_total{graylane_service="{{service}}",graylane_subset="{{canary}}"}) / sum(graylane_attempts_total{graylane_service="{{service}}"})',
    successCondition: '> 0.2 and result < 0.8',
  };
  const broken: ValueCheck = {
    check: 'value',
    name: 'broken',
    provider: 'metrics',
    query: 'sum(',
    successCondition: '< 1',
  };
  const many: ValueCheck = { ...broken, name: 'many', query: 'graylane_picks_total' };
  const document: RolloutDocument = {
    schema: 1,
    service: 'payments',
    canary: 'canary',
    stable: 'stable',
    steps: [{ setWeight: 50 }],
    analysis: {
      provider: 'metrics',
      failureStatusCodes: ['NOT_FOUND', 'UNAVAILABLE'],
      checks: [{ check: 'request-success-rate' }, { check: 'request-duration' }, { check: 'breaker-open' }, ratio],
    },
  };
  const config = {
    ...NO_CONFIG,
    providers: new Map([['metrics', { prometheus: { address: `${prometheus.url}/` } }]]),
  };
  const tryMeasure = (sinceMs: number, checks: readonly ValueCheck[] = []) => {
    const request = { service: 'payments', canary: 'canary', stable: 'stable', sinceMs, nowMs: Date.now(), checks };
    return measureRollout(document, request, { config, env: {} });
  };
  const measure = async (sinceMs: number, checks: readonly ValueCheck[] = []): Promise<Measurement> => {
    const measured = await tryMeasure(sinceMs, checks);
    if ('error' in measured) throw new Error(measured.error);
    return measured;
  };
  const isUp = async (): Promise<boolean> => (await prometheus.query('up'))[0]?.value === 1;
  return { stable, canary, client, document, measure, tryMeasure, scrapes, isUp, checks: [ratio, broken, many] };
}

// They wait for scrapes most of the time, each in a world of its own.
describe.concurrent('built-in queries, asked of a real Prometheus', () => {
  it('find the figures also as collectors and clients of 0.1 name them', async () => {
    const { stable, canary, client, measure } = await start({}, asOthersSpell);
    canary.behave({ code: grpc.status.NOT_FOUND, every: 2 });
    for (let call = 0; call < 100; call += 1) await charge(client).catch(() => {});
    await vi.waitFor(
      async () => {
        const figures = await measure(0);
        expect(figures.canary).toMatchObject({ calls: canary.calls, failures: Math.floor(canary.calls / 2) });
        expect(figures.stable).toMatchObject({ calls: stable.calls, failures: 0 });
        expect(figures.canary?.durations && callsOf(figures.canary.durations)).toBe(canary.calls);
      },
      { timeout: 15_000, interval: 100 },
    );
  });

  it('yield what the canary did since the window began, to the call, and the verdict that follows', async () => {
    const { stable, canary, client, document, measure, checks } = await start();
    for (let call = 0; call < 200; call += 1) await charge(client);
    // Until all of that was scraped, the window would count it.
    await vi.waitFor(
      async () => {
        const { canary: before, stable: other } = await measure(0);
        expect((before?.calls ?? 0) + (other?.calls ?? 0)).toBe(200);
      },
      { timeout: 10_000, interval: 100 },
    );
    const earlier = { canary: canary.calls, stable: stable.calls };
    await pause(300);
    const sinceMs = Date.now();
    await pause(300);
    // Failures are a series that Prometheus never saw at 0.
    canary.behave({ code: grpc.status.NOT_FOUND });
    let failed = 0;
    for (let call = 0; call < 60; call += 1) {
      await charge(client).catch(() => {
        failed += 1;
      });
    }
    canary.behave({ delayMs: 300 });
    for (let call = 0; call < 300; call += 10) await Promise.all(Array.from({ length: 10 }, () => charge(client)));
    const expected = { canary: canary.calls - earlier.canary, stable: stable.calls - earlier.stable };
    const measured = await vi.waitFor(
      async () => {
        const figures = await measure(sinceMs, checks);
        expect(figures.canary?.calls).toBe(expected.canary);
        expect(figures.stable?.calls).toBe(expected.stable);
        expect(figures.canary?.durations && callsOf(figures.canary.durations)).toBe(expected.canary);
        return figures;
      },
      { timeout: 10_000, interval: 100 },
    );
    expect(measured.canary).toMatchObject({ failures: failed, openBreakers: 0 });
    expect(measured.stable).toMatchObject({ failures: 0, openBreakers: 0 });
    expect(failed).toBeGreaterThan(10);
    const p95 = (side: Measurement['canary']): number =>
      side?.durations ? quantileMs(side.durations, 0.95) : Number.NaN;
    expect(p95(measured.canary)).toBeGreaterThan(90);
    expect(p95(measured.stable)).toBeLessThan(p95(measured.canary));
    expect(measured.values).toMatchObject({
      ratio: { result: expect.closeTo(0.5, 0) },
      broken: { error: expect.stringMatching(/^provider metrics: HTTP 400: .*parse error/) },
      many: { error: expect.stringMatching(/: \d+ samples \(expected: one\)$/) },
    });
    const { result } = judge(resolveAnalysis(document), measured, { ...WINDOW, sinceMs }, undefined, Date.now());
    printFact(
      'judged on figures of a real Prometheus',
      result.checks.map(({ check, verdict, message }) => `${check} ${verdict} (${message})`).join('; '),
    );
    expect(result.checks.map(({ check, verdict }) => [check, verdict])).toEqual([
      ['request-success-rate', 'fail'],
      // All of it in one measurement: the next one has to say the same.
      ['request-duration p99', 'undecided'],
      ['breaker-open', 'pass'],
      ['ratio', 'pass'],
    ]);
  });

  it('never take what was counted before for the window where scrapes fail when it begins', async () => {
    const { canary, client, measure, tryMeasure, scrapes, isUp } = await start();
    canary.behave({ code: grpc.status.NOT_FOUND, every: 2 });
    for (let call = 0; call < 200; call += 1) await charge(client).catch(() => {});
    await vi.waitFor(async () => expect((await measure(0)).canary?.failures).toBeGreaterThan(40), 10_000);
    scrapes.fail = true;
    await vi.waitFor(async () => expect(await isUp()).toBe(false), 10_000);
    const sinceMs = Date.now();
    canary.behave(undefined);
    for (let call = 0; call < 200; call += 1) await charge(client);
    await pause(2_000);
    scrapes.fail = false;
    let wholeFromMs = sinceMs;
    await vi.waitFor(
      async () => {
        const measured = await tryMeasure(wholeFromMs);
        if ('error' in measured) {
          expect(measured.error).toMatch(/no figures: \{instance=\S+, job=graylane\} was not scraped for \d/);
          wholeFromMs = measured.wholeFromMs ?? 0;
          expect(wholeFromMs).toBeGreaterThan(sinceMs);
        } else expect(measured.canary?.failures).toBe(0);
        await charge(client);
        expect('error' in measured).toBe(false);
        expect(wholeFromMs).toBeGreaterThan(sinceMs);
        expect('canary' in measured && (measured.canary?.calls ?? 0) + (measured.stable?.calls ?? 0)).toBeGreaterThan(
          20,
        );
      },
      { timeout: 20_000, interval: 50 },
    );
  });

  it('find how many answers of a mirror differ, before the canary has a call of its own', async () => {
    const mirror = { to: 'canary', percent: 100, compare: true } as const;
    const { canary, client, document, measure } = await start({ routes: [{ name: 'everyone', to: 'stable', mirror }] });
    for (let call = 0; call < 200; call += 1) await charge(client);
    await vi.waitFor(
      async () => {
        const figures = await measure(0);
        expect(figures.canary?.compared).toBeGreaterThan(150);
        expect(figures.canary?.compared).toBeLessThanOrEqual(canary.calls);
        // The answer names its server.
        expect(figures.canary?.differing).toBeGreaterThan(50);
        const analysis = { ...document.analysis, checks: [{ check: 'mirror-compare' }] } as const;
        const { result } = judge(resolveAnalysis({ ...document, analysis }), figures, WINDOW, undefined, Date.now());
        expect(result.verdict).toBe('fail');
      },
      { timeout: 15_000, interval: 100 },
    );
  });

  it.each([
    [
      'its breaker has shed the canary',
      { breaker: { enabled: false } },
      'the canary is shed by its breaker in 1 place',
      {},
    ],
    [
      'its guard has shed the canary',
      { breaker: { enabled: false }, subsetBreaker: { enabled: false } },
      'the canary is shed by its breaker in 1 place',
      { guard: {} },
    ],
    [
      'its fallback serves for its only instance',
      {},
      /^the fallback served \d+ of the canary's calls, the canary \d+$/,
      {},
    ],
  ])('tell that %s', async (_, more, expected, ofCanary) => {
    const { canary, client, document, measure } = await start({
      ...more,
      subsets: { ...POLICY.subsets, canary: { ...POLICY.subsets.canary, fallback: 'stable', ...ofCanary } },
    });
    canary.behave({ code: grpc.status.UNAVAILABLE });
    for (let call = 0; call < 300; call += 1) await charge(client).catch(() => {});
    await vi.waitFor(
      async () => {
        const { result } = judge(resolveAnalysis(document), await measure(0), WINDOW, undefined, Date.now());
        expect(result.verdict).toBe('fail');
        expect(result.checks.find(({ check }) => check === 'breaker-open')).toMatchObject({
          verdict: 'fail',
          message: typeof expected === 'string' ? expected : expect.stringMatching(expected),
        });
      },
      { timeout: 10_000, interval: 100 },
    );
  });
});
