import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  type AnnouncedWindow,
  DURATION_BOUNDS_MS,
  MAX_REPORT_BYTES,
  type RolloutMetricsReport,
} from '../../../../src/base/rollout-metrics';
import { createReportSender } from '../../../../src/client/rollout-metrics/report-sender';
import { WindowCounts } from '../../../../src/client/rollout-metrics/service-reporter';
import { Collector } from '../../../../src/ops/rollout/collector/collector';
import { rolloutReports, startListener } from '../../../../src/ops/rollout/collector/listener';
import { closeAfterEach } from '../../../support/closers';
import { printFact } from '../../../support/figure';

const opened = closeAfterEach();
const WINDOW: AnnouncedWindow = { id: 'r1/1', canary: 'canary', stable: 'stable', everyMs: 1000 };
const never = (): boolean => false;

interface Bench {
  readonly collector: Collector;
  readonly base: string;
  readonly port: number;
  /** Posts as a client does, unless told otherwise; the status and what was said. */
  post(
    body: string | RolloutMetricsReport,
    settings?: { readonly key?: string; readonly path?: string },
  ): Promise<readonly [number, string]>;
}

async function bench({ maxClients = 10_000, clock = { nowMs: 0 } } = {}): Promise<Bench> {
  const collector = new Collector(() => clock.nowMs, maxClients);
  collector.open('payments', WINDOW);
  const options = { host: '127.0.0.1', port: 0, takers: [rolloutReports(collector)], metrics: () => 'x 1\n' };
  const { port } = opened(await startListener(options), (listener) => listener.close());
  const base = `http://127.0.0.1:${port}`;
  return {
    collector,
    base,
    port,
    async post(body, { key = collector.keyOf('payments'), path = '/figures/payments' } = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const headers = { authorization: `Bearer ${key}` };
      const response = await fetch(base + path, { method: 'POST', headers, body: text });
      return [response.status, await response.text()];
    },
  };
}

/** A client that has had `calls` of the canary, of which `failures` failed, each in 5 ms. */
function counted(calls: number, failures = 0, window = WINDOW): WindowCounts {
  const counts = new WindowCounts(window);
  for (let at = 0; at < calls; at += 1)
    counts.attemptEnded('canary', 'canary', at < failures ? 'failure' : 'success', 5);
  return counts;
}

describe('reports', () => {
  it('are states: lost, repeated and reordered ones change nothing', async () => {
    const { post, collector } = await bench();
    const client = counted(10, 1);
    const [first, second, third] = [1, 2, 3].map(() => {
      const report = client.report(never);
      client.attemptEnded('canary', 'canary', 'failure', 700);
      return report;
    });
    if (first === undefined || second === undefined || third === undefined) throw new Error('three went in');
    // The second comes twice, after the third, and the first last of all.
    for (const report of [third, second, second, first]) expect((await post(report))[0]).toBe(204);
    const other = counted(5).report(never);
    expect((await post(other))[0]).toBe(204);
    expect(collector.sum('payments', WINDOW.id)).toMatchObject({ clients: 2, canary: { calls: 17, failures: 3 } });
    const { durations } = collector.sum('payments', WINDOW.id)?.canary ?? {};
    expect(durations?.counts[DURATION_BOUNDS_MS.indexOf(6)]).toBe(15);
    expect(durations?.counts[DURATION_BOUNDS_MS.indexOf(768)]).toBe(2);
  });

  it('of another window are refused; a new window begins with nothing', async () => {
    const { post, collector } = await bench();
    const client = counted(10);
    await post(client.report(never));
    collector.open('payments', { ...WINDOW, id: 'r1/2' });
    expect(await post(client.report(never))).toEqual([409, expect.stringContaining('window: not the one')]);
    expect(collector.sum('payments', 'r1/1')).toBeUndefined();
    expect(collector.sum('payments', 'r1/2')).toMatchObject({ clients: 0, canary: { calls: 0 } });
    collector.open('payments', undefined);
    expect((await post(client.report(never)))[0]).toBe(410);
    collector.forget('payments');
    expect((await post(client.report(never)))[0]).toBe(410);
  });

  it('without the key are refused before they are read, and one service knows nothing of the key of another', async () => {
    const { post, collector } = await bench();
    collector.open('orders', WINDOW);
    const report = counted(1).report(never);
    for (const key of ['', 'x', 'x'.repeat(32), `${collector.keyOf('payments')}x`, collector.keyOf('orders')]) {
      expect((await post(report, { key }))[0]).toBe(401);
    }
    expect((await post('x'.repeat(10_000), { key: 'x' }))[0]).toBe(401);
    expect(collector.sum('payments', WINDOW.id)?.clients).toBe(0);
    expect((await post(report, { path: '/figures/nobody' }))[0]).toBe(410);
    expect((await post(report, { path: '/figures/%' }))[0]).toBe(410);
  });

  it('that are malformed are refused with the path', async () => {
    const { post, collector } = await bench();
    const sound = counted(3).report(never);
    const put = (name: string, value: unknown): string =>
      JSON.stringify({ ...sound, canary: { ...sound.canary, [name]: value } });
    for (const [body, problem] of [
      ['', 'body: not JSON (expected: a report)'],
      ['[]', 'format: missing (expected: 1)'],
      [JSON.stringify({ ...sound, format: 2 }), 'format: 2 (expected: 1)'],
      [JSON.stringify({ ...sound, client: 7 }), 'client: 7 (expected: 1 to 64 characters)'],
      [JSON.stringify({ ...sound, number: -1 }), 'number: -1 (expected: a whole number >= 0)'],
      [JSON.stringify({ ...sound, stable: null }), 'stable: null (expected: an object with calls and failures)'],
      [put('calls', 1.5), 'canary.calls: 1.5 (expected: a whole number >= 0)'],
      [put('calls', 1e300), 'canary.calls: 1e+300 (expected: a whole number >= 0)'],
      [put('failures', 4), 'canary.failures: 4 (expected: at most canary.calls)'],
      [put('isShed', 1), 'canary.isShed: 1 (expected: true or false)'],
      [put('durations', [3]), 'canary.durations: [3] (expected: a list of 31 counts)'],
      [put('calls', 4), 'canary.durations: \\"3 in all\\" (expected: 4, as many as calls)'],
    ] as const) {
      const [status, said] = await post(body);
      expect([status, said]).toEqual([400, expect.stringContaining(problem)]);
    }
    expect(collector.sum('payments', WINDOW.id)?.clients).toBe(0);
  });

  it('that are too long are refused, also when they do not say how long they are', async () => {
    const { post, port, collector } = await bench();
    expect((await post('x'.repeat(MAX_REPORT_BYTES + 1)))[0]).toBe(413);
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${collector.keyOf('payments')}` };
      const request = httpRequest({ port, path: '/figures/payments', method: 'POST', headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      request.write('x'.repeat(3000));
      request.write('x'.repeat(3000));
    });
    expect(status).toBe(413);
  });

  it('of more clients than there is room for are turned away and counted; those known are still taken', async () => {
    const { post, collector } = await bench({ maxClients: 2 });
    const clients = [counted(1), counted(1), counted(1)];
    const statuses: number[] = [];
    for (const client of [...clients, ...clients]) statuses.push((await post(client.report(never)))[0]);
    expect(statuses).toEqual([204, 204, 429, 204, 204, 429]);
    expect(collector.status()).toEqual([{ service: 'payments', clients: 2, turnedAway: 2 }]);
  });

  it('tell of an open breaker until the client has not been heard of for three reports', async () => {
    const clock = { nowMs: 0 };
    const { post, collector } = await bench({ clock });
    await post(counted(1).report((subset) => subset === 'canary'));
    await post(counted(1).report(never));
    expect(collector.sum('payments', WINDOW.id)).toMatchObject({
      canary: { openBreakers: 1 },
      stable: { openBreakers: 0 },
    });
    clock.nowMs = 3001;
    expect(collector.sum('payments', WINDOW.id)).toMatchObject({ canary: { openBreakers: 0, calls: 2 } });
  });

  it('are small at their largest, and few', async () => {
    const { post } = await bench();
    const report = counted(1).report(never);
    const largest = {
      ...report,
      canary: { ...report.canary, calls: 31e9, durations: report.canary.durations.map(() => 1e9) },
      stable: { ...report.stable, calls: 31e9, durations: report.stable.durations.map(() => 1e9) },
      window: 'x'.repeat(128),
    };
    expect(Buffer.byteLength(JSON.stringify(largest))).toBeLessThan(MAX_REPORT_BYTES / 2);
    expect((await post(largest))[0]).toBe(409);
    const bytes = Buffer.byteLength(JSON.stringify(counted(100_000).report(never)));
    printFact('a report of 100,000 calls', `${bytes} bytes`);
  });
});

describe('many clients', () => {
  it('are summed while nobody waits for it, and a report costs little', async () => {
    const { collector, base } = await bench();
    for (let at = 0; at < 9_500; at += 1) collector.take('payments', counted(3, 1).report(never));
    const sender = createReportSender();
    const bodies = Array.from({ length: 500 }, () => JSON.stringify(counted(3, 1).report(never)));
    const to = { url: `${base}/figures/payments`, key: collector.keyOf('payments') };
    const before = process.cpuUsage();
    for (const body of bodies) expect(await sender.send({ ...to, body }, 2000)).toEqual({ kind: 'taken' });
    const { user, system } = process.cpuUsage(before);
    sender.close();
    const begun = performance.now();
    const sum = collector.sum('payments', WINDOW.id);
    const tookMs = performance.now() - begun;
    expect(sum).toMatchObject({ clients: 10_000, canary: { calls: 30_000, failures: 10_000 } });
    const each = ((user + system) / bodies.length / 1000).toFixed(2);
    printFact(
      'reports at the controller',
      `${each} ms of processor a report, both ends of it together; 10,000 clients summed in ${tookMs.toFixed(0)} ms`,
    );
  });
});

describe('the port', () => {
  it('shows metrics and health to GET alone, and nothing else', async () => {
    const { base } = await bench();
    const ask = async (path: string, method = 'GET') => {
      const response = await fetch(base + path, { method });
      return [response.status, await response.text()];
    };
    expect(await ask('/metrics')).toEqual([200, 'x 1\n']);
    expect(await ask('/healthz')).toEqual([200, 'ok\n']);
    expect(await ask('/healthz', 'HEAD')).toEqual([200, '']);
    expect((await ask('/metrics', 'POST'))[0]).toBe(405);
    expect((await ask('/figures/payments'))[0]).toBe(405);
    expect((await ask('/'))[0]).toBe(404);
    expect((await ask('/figures'))[0]).toBe(404);
  });

  it('cuts off who sends nothing, or slowly', { timeout: 20_000 }, async () => {
    const { port, collector } = await bench();
    const begun = performance.now();
    const endOf = (first: string): Promise<number> =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(first));
        const drip = setInterval(() => socket.write('x'), 500);
        socket.on('error', () => {});
        socket.on('data', () => {});
        socket.on('close', () => {
          clearInterval(drip);
          resolve(performance.now() - begun);
        });
      });
    const auth = `authorization: Bearer ${collector.keyOf('payments')}\r\n`;
    const head = `POST /figures/payments HTTP/1.1\r\nhost: x\r\n${auth}`;
    const silent = new Promise<number>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.on('close', () => resolve(performance.now() - begun));
    });
    const ended = await Promise.all([
      silent,
      endOf('GET /met'),
      endOf(`${head}x-a: `),
      endOf(`${head}content-length: 4000\r\n\r\n`),
    ]);
    for (const tookMs of ended) expect(tookMs).toBeLessThan(9000);
  });
});
