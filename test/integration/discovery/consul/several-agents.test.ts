import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock';
import { FakeClock } from '../../../../src/client/testing/fake-clock';
import { createConsulClient } from '../../../../src/consul/client';
import { parseConsulOptions } from '../../../../src/consul/options';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';
import { healthEntry, reply, type ScriptedConsul, startScriptedConsul } from '../../../support/scripted-consul';
import { type Bench, ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

// A real Consul is the agent that is well. What a real one cannot be asked for (429 came with 1.15) the other one is scripted to say.

const STEP_SECONDS = 0.4;

type Reply = Parameters<typeof reply>[1];
const say = (status: number, body: string) => (): Reply => ({ status, body });
const page = (status: number) => (): Reply => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<html><title>Sign in</title></html>',
});

let cluster: ConsulCluster;
let well: string;
let first: ScriptedConsul;
let benches: Bench[] = [];

beforeAll(async () => {
  cluster = await startConsul();
  well = cluster.dc('dc1').address;
  await cluster.dc('dc1').register({ id: 'pay-1', name: 'pay', address: '127.0.0.1', port: 7001 });
});
afterAll(() => cluster.stop());
beforeEach(async () => {
  first = await startScriptedConsul();
});
afterEach(async () => {
  for (const bench of benches) bench.close();
  benches = [];
  await first.stop();
});

/** Milliseconds until the instances are known. */
async function firstAnswerMs(address: readonly string[]): Promise<number> {
  const bench = openSource({ address });
  benches.push(bench);
  const beganAtMs = performance.now();
  const seen = record(bench.source, 'pay');
  await seen.until((state) => ids(state, 'dc1').includes('pay-1'));
  return performance.now() - beganAtMs;
}

describe('an agent that is ill, another one that is well', () => {
  it.each([
    ['500', say(500, 'internal error')],
    ['500, no servers', say(500, 'No known Consul servers')],
    ['500, rpc error', say(500, 'rpc error making call: EOF')],
    ['500, no leader', say(500, 'No cluster leader')],
    ['429', say(429, 'Your IP is issuing too many concurrent connections')],
    ['429 of the servers', say(429, 'rate limit reached, try again later or against a different server')],
    ['503', say(503, 'Service Unavailable')],
    ['a redirect', () => ({ status: 302, headers: { location: 'https://127.0.0.1:9/' }, body: '' })],
    ['a page to sign in', page(200)],
    ['a page that says that nothing is there', page(404)],
    ['a page that refuses', page(403)],
    ['hangs', undefined],
  ])('%s: the first answer comes at most 1 s later than with the other one alone', async (_name, answer) => {
    first.answer((_request, response) => {
      if (answer !== undefined) reply(response, answer());
    });
    const aloneMs = await firstAnswerMs([well]);
    const withIllMs = await firstAnswerMs([first.address, well]);
    expect(withIllMs).toBeLessThan(aloneMs + 1_000);
    const [ill, other] = (benches.at(-1) as Bench).client.load;
    expect(ill).toMatchObject({ serves: false, failures: expect.any(Number), illForMs: expect.any(Number) });
    expect(ill?.reason).toMatch(answer === undefined ? /^no answer within/ : /^HTTP (200|302|403|404|429|500|503)/);
    expect(other).toMatchObject({ serves: true, failures: 0, illForMs: undefined, reason: undefined });
  });

  it('refuses: likewise', async () => {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const bound = listener.address();
    const port = typeof bound === 'object' ? bound?.port : 0;
    await new Promise((resolve) => listener.close(resolve));
    const aloneMs = await firstAnswerMs([well]);
    expect(await firstAnswerMs([`http://127.0.0.1:${port}`, well])).toBeLessThan(aloneMs + 1_000);
  });

  it.each([
    ['403', say(403, 'Permission denied')],
    ['401', say(401, 'ACL support disabled')],
    ['500, a deleted token', say(500, 'rpc error: code = Unknown desc = ACL not found')],
    ['500, an unknown datacenter', say(500, 'rpc error making call: No path to datacenter')],
    ['500, a filter', say(500, 'Failed to create boolean expression evaluator: Selector "x" is not valid')],
    ['400', say(400, 'invalid index')],
    ['404 in plain text', say(404, 'Invalid URL path')],
  ])('%s is the word of Consul, not a fault of the agent', async (_name, answer) => {
    first.answer((_request, response) => reply(response, answer()));
    const client = createConsulClient(parseConsulOptions({ address: [first.address, well] }, {}), {
      clock: systemClock,
    });
    const found = await client.get({
      path: '/health/service/{service}',
      params: { service: 'pay' },
      timeLimitMs: 2000,
    });
    expect(found).toMatchObject({ kind: 'failure', status: answer().status });
    expect(client.load).toMatchObject([
      { serves: true, requests: 1, illForMs: undefined },
      { serves: false, requests: 0 },
    ]);
    client.close();
  });

  it('nothing is known against agents of which none answers, and a write goes to one alone', async () => {
    const second = await startScriptedConsul();
    const client = createConsulClient(parseConsulOptions({ address: `${first.address},${second.address}` }, {}), {
      clock: systemClock,
    });
    expect(await client.get({ path: '/kv/x', timeLimitMs: 900 })).toMatchObject({
      kind: 'failure',
      reason: 'no answer within 900 ms',
    });
    expect(client.load.map(({ illForMs, requests }) => [illForMs, requests])).toEqual([
      [undefined, 1],
      [undefined, 1],
    ]);
    first.answer((_request, response) => reply(response, { status: 503, body: '' }));
    expect(await client.put({ path: '/kv/x', body: 'y', timeLimitMs: 900 })).toMatchObject({ status: 503 });
    expect(second.requests.filter(({ method }) => method === 'PUT')).toHaveLength(0);
    client.close();
    await second.stop();
  });
});

describe('back to the first agent, in virtual time', () => {
  let second: ScriptedConsul;
  let isIll: (atMs: number) => boolean;
  let clock: FakeClock;
  let bench: Bench;

  beforeEach(async () => {
    clock = new FakeClock();
    second = await startScriptedConsul();
    isIll = () => false;
    for (const agent of [first, second]) {
      agent.answer((request, response) => {
        if (request.path !== '/v1/health/service/pay') return reply(response, { status: 403, body: '' });
        if (agent === first && isIll(clock.now())) return reply(response, { status: 500, body: 'no servers' });
        // A blocking read waits; each one holds a connection until it is ended.
        if (request.query.get('index') !== null) return;
        reply(response, { index: '7', body: [healthEntry('pay-1', 7001)] });
      });
    }
  });
  afterEach(async () => {
    bench.close();
    await second.stop();
  });

  /** Nothing is under way but reads that wait for a change. */
  async function quiet(): Promise<void> {
    let calm = 0;
    while (calm < 3) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      const open = bench.client.load.reduce((sum, { openRequests }) => sum + openRequests, 0);
      calm = open <= 1 ? calm + 1 : 0;
    }
  }

  async function advance(seconds: number, each: () => boolean = () => false): Promise<number> {
    // Less than an agent may take to answer.
    for (let passed = STEP_SECONDS; passed <= seconds; passed += STEP_SECONDS) {
      clock.advance(1_000 * STEP_SECONDS);
      await quiet();
      if (each()) return passed;
    }
    return Number.POSITIVE_INFINITY;
  }

  const serving = (): number => bench.client.load.findIndex(({ serves }) => serves);
  const waitsAt = (): number => bench.client.load.findIndex(({ openRequests }) => openRequests > 0);

  it('its watch is left when it falls ill, and is back within 30 s of its cure', async () => {
    isIll = (atMs) => atMs < 40_000;
    bench = openSource({ address: [first.address, second.address] }, undefined, clock);
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1').length === 1);
    await quiet();
    expect(serving()).toBe(1);
    await advance(40);
    expect(serving()).toBe(1);
    expect(await advance(60, () => waitsAt() === 0)).toBeLessThanOrEqual(30);
    expect(serving()).toBe(0);
    expect(bench.client.load[0]).toMatchObject({ illForMs: undefined });
    // Nothing of it was seen by who watches.
    expect(seen.states.every(({ datacenters }) => datacenters[0]?.freshness.kind === 'fresh')).toBe(true);
    expect(bench.logger.lines.filter((line) => line.includes('a Consul agent is ill'))).toHaveLength(1);
  });

  it('one that is ill again and again is returned to ever more rarely', async () => {
    // Well for 24 s of each 40: always long enough for two answers.
    isIll = (atMs) => atMs % 40_000 < 16_000;
    bench = openSource({ address: [first.address, second.address] }, undefined, clock);
    const ask = { path: '/health/service/{service}', params: { service: 'pay' }, timeLimitMs: 5_000 };
    let returns = 0;
    let before = 0;
    await advance(200, () => {
      void bench.client.get(ask);
      const now = serving();
      if (before === 1 && now === 0) returns += 1;
      before = now;
      return false;
    });
    expect(returns).toBeLessThanOrEqual(3);
  });
});
