import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../support/consul/ports';
import { type PaymentsServer, startPaymentsServer } from '../../support/payments';
import { type PrometheusProcess, startPrometheus } from '../telemetry/prometheus-process';
import { type GraylaneProcess, startGraylane } from './fleet-processes';
import { startInTerminal } from './terminal-command';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld({ datacenters: ['dc1'] });
let server: PaymentsServer;
let prometheus: PrometheusProcess;
const graylanes: GraylaneProcess[] = [];

beforeAll(async () => {
  const dc1 = world.consul.dc('dc1');
  server = await startPaymentsServer({ name: 'p1' });
  const { host: address, port } = server;
  await dc1.register({ name: 'payments', id: 'p1', address, port, tags: ['stable'] });
  await dc1.putKv('graylane/policies/payments', JSON.stringify(policyOf('payments', 5)));
  for (const name of ['one', 'two']) {
    graylanes.push(await startGraylane({ name, consul: dc1.address, service: 'payments', chargeWith: {} }));
  }
  prometheus = await startPrometheus(...graylanes.map(({ host }) => host));
});
afterAll(async () => {
  await prometheus?.stop();
  await Promise.all(graylanes.map((graylane) => graylane.kill()));
  server.kill();
});

interface Top {
  readonly rows: readonly Record<string, unknown>[];
  readonly failures: readonly string[];
}

const urls = (): string[] => graylanes.flatMap(({ url }) => ['--url', url]);

describe('graylane top', () => {
  it('adds up what processes tell of their services', async () => {
    const { code, json } = await world.runJson<Top>(['top', ...urls()]);
    expect(code).toBe(0);
    expect(json.rows).toMatchObject([
      { service: 'payments', subset: '', processes: 2, endpoints: 1 },
      { service: 'payments', subset: 'stable', processes: 2, endpoints: 1 },
    ]);
    const { stdout } = await world.run(['top', 'payments', ...urls()]);
    expect(stdout).toMatch(/^payments +stable +2 +1 +0 /m);
  });

  it('says who does not answer, and that nobody tells of a service', async () => {
    const [free] = await freePorts('127.0.0.1', 1);
    const lost = await world.run(['top', ...urls(), '--url', `http://127.0.0.1:${free}`]);
    expect([lost.code, lost.stderr]).toEqual([1, expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+: ECONNREFUSED\n$/)]);
    expect(lost.stdout).toMatch(/^payments +2 /m);
    const nobody = await world.run(['top', 'orders', ...urls()]);
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringMatching(/^nobody tells of orders/)]);
    expect((await world.run(['top'])).code).toBe(2);
  });

  it('finds the same processes in Prometheus', async () => {
    const look = async () => (await world.runJson<Top>(['top', '--prometheus', prometheus.url])).json.rows[0];
    await expect.poll(look, { timeout: 20_000 }).toMatchObject({ service: 'payments', processes: 2 });
  });

  it('takes a status by either of its names, as fleets of two versions have them', async () => {
    const of = (labels: object, value: number) => ({
      metric: { graylane_service: 'payments', graylane_subset: 'stable', ...labels },
      value: [0, String(value)],
    });
    const rates = [
      of({ rpc_status_code: 'OK' }, 6),
      of({ rpc_response_status_code: 'OK' }, 3),
      of({ rpc_status_code: 'INTERNAL' }, 1),
    ];
    const fake = createServer(({ url = '' }, response) => {
      const result = url.includes('attempts') ? rates : [];
      response.end(JSON.stringify({ data: { resultType: 'vector', result } }));
    });
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
    const { port } = fake.address() as AddressInfo;
    const { json } = await world.runJson<Top>(['top', '--prometheus', `http://127.0.0.1:${port}`]);
    fake.close();
    expect(json.rows.map(({ perSecond, failed }) => [perSecond, failed])).toEqual(Array(2).fill([10, 10]));
  });

  it('is drawn anew on a terminal until q; inspect --watch, too', async () => {
    for (const args of [
      ['top', ...urls()],
      ['inspect', '--watch', '--url', graylanes[0]?.url ?? ''],
    ]) {
      const terminal = startInTerminal(args, {}, { columns: 80, rows: 20 });
      await expect.poll(() => terminal.frames().length, { timeout: 15_000 }).toBeGreaterThan(1);
      const lines = terminal.frames().flatMap((frame) => frame.split(/\r?\n/));
      expect(lines.some((line) => line.includes('payments'))).toBe(true);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
      terminal.type('q');
      expect(await terminal.ended).toBe(0);
    }
  });
});
