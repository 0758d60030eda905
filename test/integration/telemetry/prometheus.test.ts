import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { describe, expect, it, vi } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { createGraylane } from '../../../src/index';
import { startRollout } from '../../../src/ops/rollout/advance';
import { rolloutMetrics } from '../../../src/ops/rollout/collector/rollout-metrics';
import { closeAfterEach, pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import { GRAY_WITH_FALLBACK, graySplit } from '../../support/gray-policy';
import { charge, paymentsClient, startPaymentsServer } from '../../support/payments';
import { promtool, startPrometheus } from './prometheus-process';

const afterTest = closeAfterEach();
const example = join(__dirname, '..', '..', '..', 'examples', 'telemetry');

const POLICY = {
  ...GRAY_WITH_FALLBACK,
  routes: [
    {
      name: 'everyone',
      split: graySplit(25),
    },
  ],
} as const;

async function start() {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [exporter] });
  const scraped = createServer((request, response) => exporter.getMetricsRequestHandler(request, response));
  await new Promise<void>((resolve) => scraped.listen(0, '127.0.0.1', resolve));
  afterTest(scraped, (server) => {
    server.closeAllConnections();
    server.close();
  });
  const servers = await Promise.all(
    (['stable', 'canary'] as const).map(async (version) =>
      afterTest(await startPaymentsServer({ name: version, version }), (server) => server.kill()),
    ),
  );
  const graylane = afterTest(
    createGraylane({
      instances: { payments: servers.map(({ host, port, version }) => ({ address: host, port, tags: [version] })) },
      policies: { payments: POLICY },
      telemetry: { meterProvider },
    }),
    (each) => each.close(),
  );
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  return { target: `127.0.0.1:${(scraped.address() as AddressInfo).port}`, client, canary: servers[1] };
}

describe('a real Prometheus', () => {
  it("is told the canary's error rate that the canary had", async () => {
    const { target, client, canary } = await start();
    const all = 'graylane_attempts_total{graylane_subset="canary"}';
    let failed = 0;
    const call = async (): Promise<void> => {
      // 30 % of the canary's answers; not a code that a breaker or a retry would take up.
      const isToFail = (canary?.calls ?? 0) % 10 < 3;
      canary?.behave(isToFail ? { code: grpc.status.NOT_FOUND } : undefined);
      await charge(client).catch(() => {
        failed += 1;
      });
    };
    // rate() leaves out what a series counted before it was first seen: let that be the same 30 %.
    while ((canary?.calls ?? 0) < 10) await call();
    const prometheus = afterTest(await startPrometheus(target), (each) => each.stop());
    const heardOfAll = (): Promise<void> =>
      vi.waitFor(async () => expect((await prometheus.query(`sum(${all})`))[0]?.value).toBe(canary?.calls), {
        // Prometheus begins with a target some five seconds after its start.
        timeout: 15_000,
        interval: 100,
      });
    await heardOfAll();
    for (let calls = 0; calls < 1_200; calls += 1) {
      await call();
      if (calls % 4 === 0) await pause(10);
    }
    const caused = failed / (canary?.calls ?? 0);
    expect(caused).toBeGreaterThan(0.28);
    const errors = 'graylane_attempts_total{graylane_subset="canary",rpc_status_code!="OK"}';
    await heardOfAll();
    const [exact] = await prometheus.query(`sum(${errors}) / sum(${all})`);
    expect(exact?.value).toBeCloseTo(caused, 10);
    const [rate] = await prometheus.query(`sum(rate(${errors}[30s])) / sum(rate(${all}[30s]))`);
    expect(Math.abs((rate?.value ?? 0) - caused)).toBeLessThanOrEqual(0.01);
    const percent = (share: number | undefined): string => `${(100 * (share ?? Number.NaN)).toFixed(2)} %`;
    printFact(
      "the canary's error rate",
      `caused ${percent(caused)}, Prometheus: ${percent(exact?.value)} of all, ${percent(rate?.value)} as a rate`,
    );
  });

  it('finds nothing wrong with the alert rules, nor do their tests', { timeout: 60_000 }, async () => {
    expect(await promtool('check', 'rules', join(example, 'alerts.yml'))).toBe('');
    expect(await promtool('check', 'config', join(example, 'prometheus.yml'))).toBe('');
    expect(await promtool('test', 'rules', join(example, 'alerts.test.yml'))).toBe('');
  });

  it('is asked by alerts and dashboard for metrics and labels that are there', async () => {
    const { target, client } = await start();
    for (let call = 0; call < 1_100; call += 1) await charge(client);
    // A Graylane client's, and those of a controller that drives a rollout.
    const text = (await (await fetch(`http://${target}/metrics`)).text()) + rolloutMetrics([driven]);
    const names = new Set([...text.matchAll(/^([a-z_]+)(?=[{ ])/gm)].map(([, name]) => name));
    const labels = new Set([...text.matchAll(/[{,]([a-z_]+)="/g)].map(([, label]) => label));
    const queries = [...alertRules().map(({ expr }) => expr), ...dashboardQueries()];
    expect(queries.length).toBeGreaterThan(25);
    const asked = queries.flatMap((query) => query.match(/\b(graylane|rpc)_[a-z_]+/g) ?? []);
    const isThere = (word: string): boolean => names.has(word) || labels.has(word) || RARE.includes(word);
    const unknown = [...new Set(asked)].filter((word) => !spellings(word).some(isThere));
    expect(unknown).toEqual([]);
  });

  it('understands every query of the dashboard', async () => {
    const rules = dashboardQueries().map((expr, at) => ({ record: `panel:${at}`, expr: filledIn(expr) }));
    const folder = mkdtempSync(join(tmpdir(), 'graylane-dashboard-'));
    const file = join(folder, 'dashboard.yml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    try {
      expect(await promtool('check', 'rules', file)).toBe('');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('records every figure that alerts go by before they do', () => {
    const recorded = new Set<string>();
    for (const { record, expr } of alertRules()) {
      const asked = [...expr.matchAll(/\bgraylane:[a-z0-9_:]+/g)].map(([name]) => name);
      expect(asked.filter((name) => !recorded.has(name))).toEqual([]);
      if (record !== undefined) recorded.add(record);
    }
    expect(recorded.size).toBeGreaterThan(10);
  });

  it('says first what callers feel, and pages for nothing else', () => {
    const alerts = alertRules().filter(({ alert }) => alert !== undefined);
    expect(alerts[0]?.alert).toBe('GraylaneCallsFailing');
    const critical = alerts.filter(({ labels }) => labels?.['severity'] === 'critical');
    expect(critical.map(({ alert }) => alert)).toEqual(['GraylaneCallsFailing']);
    const [first] = dashboard().panels;
    expect(first?.title).toBe('Calls that failed for their callers');
    expect(first?.targets[0]?.expr).not.toMatch(/graylane_attempts/);
  });

  it('has a runbook for every alert, that is there', () => {
    const page = readFileSync(join(example, '..', '..', 'docs', 'alarms.md'), 'utf8');
    const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase());
    for (const { alert, annotations } of alertRules()) {
      if (alert === undefined) continue;
      expect(annotations?.['runbook_url']).toBe(`docs/alarms.md#${alert.toLowerCase()}`);
      expect(anchors).toContain(alert.toLowerCase());
    }
  });

  it('has every alert tested', () => {
    const { tests } = parseYaml(readFileSync(join(example, 'alerts.test.yml'), 'utf8')) as {
      tests: { name: string }[];
    };
    const alerts = alertRules().flatMap(({ alert }) => (alert === undefined ? [] : [alert]));
    expect(tests.map(({ name }) => name)).toEqual(alerts);
  });
});

const rollout = { schema: 1, service: 'payments', canary: 'canary', stable: 'stable', steps: [{ pause: {} }] } as const;
const driven = {
  datacenter: undefined,
  led: new Map([['payments', startRollout({ id: 'r1', document: rollout, weight: 0 }, 0)]]),
  collected: [{ service: 'payments', clients: 1, turnedAway: 0 }],
  ended: new Map([['payments', { completed: 0, taken_back: 1, aborted: 0 }]]),
};

/** Only there once it has happened, which other tests see to. */
const RARE = ['graylane_guard', 'graylane_fallbacks_total', 'graylane_served_by', 'graylane_breaker_openings_total'];

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

function alertRules(): readonly Rule[] {
  const file = readFileSync(join(example, 'alerts.yml'), 'utf8');
  const { groups } = parseYaml(file) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
}

function dashboard(): Dashboard {
  return JSON.parse(readFileSync(join(example, 'dashboard.json'), 'utf8'));
}

/** As Grafana does. */
function filledIn(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$service', '.*');
}

/** What exporters make of a name: with the unit or without, with `_total` or without, and the status as 0.1 called it. */
function spellings(word: string): readonly string[] {
  const plain = word.replace('_seconds', '').replace('rpc_response_status_code', 'rpc_status_code');
  return [plain, `${plain}_total`];
}

function dashboardQueries(): readonly string[] {
  const { panels, annotations } = dashboard();
  return [...panels.flatMap(({ targets }) => targets), ...annotations.list].map(({ expr }) => expr);
}
