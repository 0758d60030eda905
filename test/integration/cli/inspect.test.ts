import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PolicyDocument } from '../../../src/index';
import { createTestClient } from '../../../src/testing';
import { closeAfterEach } from '../../support/closers';
import { freePorts } from '../../support/consul/ports';
import { CHARGE, charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { type GraylaneProcess, startGraylane } from './fleet-processes';
import { commandWorld, policyOf } from './two-datacenters';

const world = commandWorld({ datacenters: ['dc1'] });
const closing = closeAfterEach();
let server: PaymentsServer;
let running: GraylaneProcess;

const POLICY = policyOf('payments', 5, {
  routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary', strict: true }],
});

beforeAll(async () => {
  const dc1 = world.consul.dc('dc1');
  server = await startPaymentsServer({ name: 'p1' });
  const { host: address, port } = server;
  await dc1.register({ name: 'payments', id: 'p1', address, port, tags: ['stable'] });
  await dc1.register({ name: 'payments', id: 'p2', port: 9001, tags: ['neither'] });
  await dc1.putKv('graylane/policies/payments', JSON.stringify(POLICY));
  running = await startGraylane({
    name: 'checkout',
    consul: dc1.address,
    token: 'planted-token-of-the-process',
    service: 'payments',
    chargeWith: { 'x-user-id': 'u-42' },
  });
});
afterAll(async () => {
  await running.kill();
  server.kill();
});

describe('graylane inspect', () => {
  it('shows the services of a running process as tables', async () => {
    const { code, stdout, stderr } = await world.run(['inspect', '--url', running.url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Graylane client checkout, 1 service$/m);
    expect(stdout).toMatch(/^http:\/\/\S+ +\d+ +\d+ +0 +serves$/m);
    expect(stdout).toMatch(/^payments {2}consul:\/\/\/payments {2}revision [0-9a-f]{12} \(kv, index \d+\)$/m);
    expect(stdout).toMatch(/^dc1 \(local\) +2 +0 +0 +fresh$/m);
    expect(stdout).toMatch(/^\S+:\d+ +p1 +dc1 +stable +passing +1 +0 +[\d.]+ ms +closed +ready$/m);
    expect(stdout).toMatch(/^in no subset, so without calls: p2$/m);
    expect(stdout).not.toContain('planted-token');

    const { json } = await world.runJson<{ services: readonly object[]; problems: readonly string[] }>([
      'inspect',
      '--url',
      `${running.url}/inspect`,
      '--service',
      'payments',
    ]);
    expect(json).toMatchObject({ client: 'checkout', services: [{ service: 'payments', policy: { origin: 'kv' } }] });
    expect(json.problems).toEqual([]);
  });

  it('says what a guard sees, and why it sheds', async () => {
    const breakers = { breaker: { enabled: false }, subsetBreaker: { enabled: false } };
    const guarded = { tags: ['canary'], fallback: 'stable', guard: {}, ...breakers };
    const canary = closing(await startPaymentsServer(), (one) => one.kill());
    const instances = [server, canary].map(({ host, port }, n) => ({
      address: host,
      port,
      tags: [n === 0 ? 'stable' : 'canary'],
    }));
    const graylane = closing(
      createTestClient({
        policy: {
          ...(policyOf('payments', 50) as unknown as PolicyDocument),
          subsets: { stable: { tags: ['stable'] }, canary: guarded },
        },
        instances,
      }),
      (one) => one.close(),
    );
    const admin = closing(createServer(graylane.adminHandler()), (one) => one.close());
    await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(admin.address() as AddressInfo).port}`;
    const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
    for (let call = 0; call < 10; call += 1) await charge(client);
    const look = async (): Promise<string> => (await world.run(['inspect', '--url', url])).stdout;
    expect(await look()).toMatch(/^canary +stable +0 of \d+ +0 of \d+ +watches$/m);
    graylane.fail('canary', { code: 'INTERNAL' });
    for (let call = 0; call < 100; call += 1) await charge(client).catch(() => {});
    const because = 'guard: \\d+ of \\d+ failed, stable 0 of \\d+';
    const shed = await look();
    const user = Array.from({ length: 100 }, (_, n) => `u-${n}`).find((id) => {
      const { routing } = graylane.explain('payments', { method: CHARGE, labels: { 'x-user-id': id } });
      return routing.decision.subset === 'canary';
    });
    const ask = ['--service', 'payments', '--explain', '--method', CHARGE, '--label', `x-user-id=${user}`];
    const explained = await world.run(['inspect', '--url', url, ...ask]);
    expect(explained).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(` subset open +${because}$`, 'm')),
    });
    expect(shed).toMatch(new RegExp(`^canary@local +open, held for \\d+s +\\d+ +\\d+ +${because}$`, 'm'));
    expect(shed).toMatch(
      new RegExp(`^canary +stable +\\d+ of \\d+ +0 of \\d+ +sheds for another \\d+s: ${because}$`, 'm'),
    );
  });

  it('lists decisions, and explains a call as the process would decide it', async () => {
    const listed = await world.run(['inspect', '--url', `${running.url}/anywhere/`, '--decisions']);
    expect(listed.code).toBe(0);
    expect(listed.stdout).toMatch(
      new RegExp(`^\\S+Z +payments +${CHARGE} +default +default +stable +[0-9a-f]{12}$`, 'm'),
    );
    expect(listed.stdout).not.toContain('u-42');

    const explain = ['inspect', '--url', running.url, '--service', 'payments', '--explain', '--method', CHARGE];
    const stable = await world.run(explain);
    expect(stable).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('-> stable by default') });
    const canary = await world.run([...explain, '--label', 'x-gray=canary']);
    expect(canary.code).toBe(1);
    expect(canary.stdout).toContain('-> canary by route testers, strict');
    expect(canary.stderr).toMatch(/^nobody could serve this call/);
  });

  it('ends with 1 when something is wrong there, and says what', async () => {
    const dc1 = world.consul.dc('dc1');
    await dc1.putKv('graylane/policies/payments', JSON.stringify({ ...POLICY, default: 'nobody' }));
    try {
      await expect
        .poll(async () => (await world.run(['inspect', '--url', running.url])).stderr, { timeout: 5_000 })
        .toMatch(/^payments: the newest policy was refused: default: .*; the former one stays\n$/);
      const { code, stdout } = await world.run(['inspect', '--url', running.url]);
      expect(code).toBe(1);
      expect(stdout).toMatch(/revision [0-9a-f]{12} .* a newer one was refused$/m);
    } finally {
      await dc1.putKv('graylane/policies/payments', JSON.stringify(POLICY));
    }
    const lost = closing(
      await startGraylane({ name: 'lost', consul: 'http://127.0.0.1:9', service: 'payments' }),
      (one) => one.kill(),
    );
    const nothing = await world.run(['inspect', '--url', lost.url]);
    expect(nothing.code).toBe(1);
    expect(nothing.stderr).toContain('ECONNREFUSED');
  });

  it('finds nothing wrong with a service that is not called any more; nor is it behind', async () => {
    const { address } = world.consul.dc('dc1');
    const settings = { name: 'quiet', consul: address, service: 'payments', chargeWith: {}, idleAfterMs: 1_000 };
    const quiet = closing(await startGraylane(settings), (one) => one.kill());
    const look = async () => (await world.run(['inspect', '--url', quiet.url])).stdout;
    await expect.poll(look, { timeout: 10_000 }).toMatch(/^payments {2}consul:\/\/\/payments {2}idle: not called/m);
    expect(await world.run(['inspect', '--url', quiet.url])).toMatchObject({ code: 0, stderr: '' });
    const asked = ['fleet', 'payments', '--url', quiet.url, '--url', running.url];
    const { code, json } = await world.runJson<{ processes: readonly { client: string }[] }>(asked);
    expect(code).toBe(0);
    expect(json.processes.map(({ client }) => client)).toEqual(['checkout']);
  });

  it('says what is wrong with the command line, the address or what answers there', async () => {
    const foreign = createServer((_, response) => response.end('<h1>It works</h1>'));
    closing(foreign, (one) => one.close());
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    const { port } = foreign.address() as AddressInfo;
    const [free] = await freePorts('127.0.0.1', 1);
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /--url/],
      [['--url', 'payments:9465'], /\(expected: http:\/\/host:port\/path or https/],
      [['--url', running.url, '--service', 'orders'], /^graylane: --service: orders \(expected: .*: payments\); /],
      [['--url', running.url, '--explain'], /^graylane: --service: missing \(expected: /],
      [['--url', running.url, '--label', 'a=b'], /^graylane: --label: without --explain \(expected: both\)/],
      [['--url', `http://127.0.0.1:${free}/x`], /^graylane: http:\/\/127\.0\.0\.1:\d+\/x: ECONNREFUSED; check --url/],
      [['--url', `http://127.0.0.1:${port}`], /the answer is not JSON; check --url/],
    ];
    for (const [args, stderr] of cases) {
      const ended = await world.run(['inspect', ...args]);
      expect(ended.code, args.join(' ')).toBe(2);
      expect(ended.stderr, args.join(' ')).toMatch(stderr);
    }
  });

  it('sends credentials of the address in the header, and shows them nowhere', async () => {
    let sent: string | undefined;
    const guarded = createServer((request, response) => {
      sent = request.headers.authorization;
      response.writeHead(403).end('{"error":"not for you"}');
    });
    closing(guarded, (one) => one.close());
    await new Promise<void>((resolve) => guarded.listen(0, '127.0.0.1', resolve));
    const { port } = guarded.address() as AddressInfo;
    const ended = await world.run(['inspect', '--url', `http://ops:planted%20password@127.0.0.1:${port}`]);
    expect(sent).toBe(`Basic ${Buffer.from('ops:planted password').toString('base64')}`);
    expect(ended.stderr).toMatch(/^graylane: http:\/\/127\.0\.0\.1:\d+: HTTP 403: not for you; /);
    expect(`${ended.stdout}${ended.stderr}`).not.toMatch(/planted|ops/);
  });
});
