import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { healthEntry, reply, type ScriptedConsul, startScriptedConsul } from '../../../support/scripted-consul';
import { type Bench, ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

let scripted: ScriptedConsul;
let bench: Bench;

beforeEach(async () => {
  scripted = await startScriptedConsul();
});
afterEach(async () => {
  bench.close();
  await scripted.stop();
});

const SECRET = 'b1946ac9-2c3d-4f66-8a0e-5f1e7a3d9c11';
const health = (): readonly (typeof scripted.requests)[number][] =>
  scripted.requests.filter((one) => one.path === '/v1/health/service/pay');

/** Answers health requests, in turn; the last answer stands. Everything else is not permitted. */
function script(
  ...answers: ((request: (typeof scripted.requests)[number]) => Parameters<typeof reply>[1] | 'hang')[]
): void {
  let at = 0;
  scripted.answer((request, response) => {
    if (request.path !== '/v1/health/service/pay') return reply(response, { status: 403, body: 'Permission denied' });
    const answer = answers[Math.min(at, answers.length - 1)]?.(request) ?? 'hang';
    at += 1;
    if (answer !== 'hang') reply(response, answer);
  });
}

const one = (id: string, index: string) => () => ({ index, body: [healthEntry(id, 7001)] });
const hang = () => 'hang' as const;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('index rules', () => {
  it('an index that goes back starts again from nothing, and the answer counts', async () => {
    script(one('a', '900'), one('b', '20'), one('b', '20'), hang);
    bench = openSource({ address: scripted.address });
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1')[0] === 'b');
    await expect.poll(() => health().map((request) => request.query.get('index'))).toEqual([null, '900', null, '20']);
  });

  it('indexes beyond 2^53 are compared exactly', async () => {
    script(one('a', '9007199254740993'), one('b', '9007199254740992'), one('c', '18446744073709551615'), hang);
    bench = openSource({ address: scripted.address });
    await record(bench.source, 'pay').until((state) => ids(state, 'dc1')[0] === 'c');
    await expect
      .poll(() => health().map((request) => request.query.get('index')))
      .toEqual([null, '9007199254740993', null, '18446744073709551615']);
  });

  for (const [what, index] of [
    ['missing', undefined],
    ['0', '0'],
    ['no number', 'x'],
  ] as const) {
    it(`an index that is ${what}: the answer counts, and there is no spin`, async () => {
      script(() => ({ ...(index === undefined ? {} : { index }), body: [healthEntry('a', 7001)] }));
      bench = openSource({ address: scripted.address });
      const seen = record(bench.source, 'pay');
      await seen.until((state) => ids(state, 'dc1')[0] === 'a');
      await pause(1200);
      expect(health().every((request) => request.query.get('index') === null)).toBe(true);
      expect(health().length).toBeLessThanOrEqual(5);
      script(one('b', '5'), hang);
      await seen.until((state) => ids(state, 'dc1')[0] === 'b', 1200);
    });
  }

  it('a server that answers at once each time is not asked more than a few times a second', async () => {
    let index = 1;
    scripted.answer((_request, response) => {
      index += 1;
      reply(response, { index: String(index), body: [healthEntry('a', 7001)] });
    });
    bench = openSource({ address: scripted.address });
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1')[0] === 'a');
    await pause(2000);
    // A burst of four, then seven a second.
    expect(health().length).toBeLessThanOrEqual(20);
    expect(seen.states).toHaveLength(1);
  });
});

describe('answers that are none', () => {
  const huge = Buffer.alloc(33 * 1024 * 1024, 0x20);
  const wrong: readonly [string, () => Parameters<typeof reply>[1], RegExp][] = [
    ['HTML with 200', () => ({ headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' }), /not JSON/],
    ['an object', () => ({ index: '3', body: { a: 1 } }), /not a JSON array/],
    [
      'half an answer',
      () => ({ index: '3', headers: { 'content-length': '500' }, body: '[{' }),
      /cut short|ECONNRESET/,
    ],
    ['a body of 33 MB', () => ({ index: '3', body: huge }), /larger than/],
    ['500 without a leader', () => ({ status: 500, body: 'No cluster leader' }), /HTTP 500: No cluster leader/],
    ['429', () => ({ status: 429, body: '' }), /HTTP 429$/],
    ['a redirect', () => ({ status: 301, headers: { location: 'http://127.0.0.1:9/' }, body: '' }), /HTTP 301/],
    [
      'mostly malformed',
      () => ({ index: '3', body: [{ ...healthEntry('a', 1), Checks: null }, {}, healthEntry('c', 3)] }),
      /2 of 3/,
    ],
    [
      'empty for want of permission',
      () => ({ index: '3', headers: { 'x-consul-results-filtered-by-acls': 'true' }, body: [] }),
      /permission/,
    ],
  ];
  for (const [what, answer, reason] of wrong) {
    it(`${what}: refused whole, said, and what is known stays`, async () => {
      script(one('good', '2'), answer, hang);
      // A response that promises more than it sends has to be cut by the server.
      if (what === 'half an answer') {
        let at = 0;
        scripted.answer((request, response) => {
          if (request.path !== '/v1/health/service/pay') return reply(response, { status: 403, body: '' });
          at += 1;
          if (at === 1) return reply(response, one('good', '2')());
          if (at > 2) return;
          response.writeHead(200, { 'x-consul-index': '3', 'content-length': '500' });
          response.write('[{');
          setTimeout(() => response.destroy(), 20);
        });
      }
      bench = openSource({ address: scripted.address });
      const seen = record(bench.source, 'pay');
      const good = await seen.until((state) => ids(state, 'dc1')[0] === 'good');
      await seen.until((state) => state.datacenters[0]?.freshness.kind === 'stale');
      const { freshness, instances } = seen.dc('dc1');
      expect(freshness.kind === 'stale' && freshness.reason).toMatch(reason);
      expect(instances).toBe(good.datacenters[0]?.instances);
      const stale = seen.states.length;
      await pause(400);
      expect(seen.states).toHaveLength(stale);
    });
  }

  it('a frozen agent is noticed after the time limit; the connection is dropped', async () => {
    script(hang);
    bench = openSource({ address: scripted.address });
    const answer = await bench.client.get({
      path: '/health/service/{service}',
      params: { service: 'pay' },
      timeLimitMs: 200,
    });
    expect(answer).toEqual({ kind: 'failure', status: undefined, reason: 'no answer within 200 ms' });
  });

  it('a client of a silent agent says so while it waits', async () => {
    script(hang);
    bench = openSource({ address: scripted.address });
    const seen = record(bench.source, 'pay');
    const state = await seen.until(() => true);
    expect(state.datacenters[0]?.freshness).toEqual({ kind: 'pending', reason: 'no answer within 1500 ms' });
    expect(state.datacenters[0]?.known).toBe(false);
  });

  it('probes of an agent that fails grow rarer, with jitter', async () => {
    script(() => ({ status: 500, body: 'No cluster leader' }));
    bench = openSource({ address: scripted.address });
    record(bench.source, 'pay');
    await pause(3000);
    expect(health().length).toBeGreaterThanOrEqual(3);
    expect(health().length).toBeLessThanOrEqual(12);
  });
});

describe('the token', () => {
  it('travels in the header only, is asked for each time, and is in no state and no log line', async () => {
    let asked = 0;
    const echo = `denied: token ${SECRET} of the request`;
    scripted.answer((_request, response) => reply(response, { status: 403, body: echo }));
    bench = openSource({
      address: scripted.address,
      token: async () => {
        asked += 1;
        return SECRET;
      },
    });
    const seen = record(bench.source, 'pay');
    const state = await seen.until((one) => one.datacenters[0]?.freshness.kind === 'pending');
    expect(asked).toBe(scripted.requests.length);
    expect(scripted.requests.every((request) => request.token === SECRET)).toBe(true);
    expect(scripted.requests.every((request) => !request.query.toString().includes(SECRET))).toBe(true);
    expect(JSON.stringify([state, bench.logger.lines])).not.toContain(SECRET);
    expect(JSON.stringify(state)).toContain('HTTP 403: denied: token [token] of the request');
    await scripted.stop();
    await seen.until((one) => JSON.stringify(one).includes('ECONN'));
    expect(JSON.stringify([seen.states, bench.logger.lines])).not.toContain(SECRET);
  });

  for (const [what, token] of [
    [
      'throws',
      () => {
        throw new Error(SECRET);
      },
    ],
    ['rejects', () => Promise.reject(new Error(SECRET))],
    ['gives what cannot be sent', () => `${SECRET}\r\nX: y`],
    ['gives no string', () => 7 as unknown as string],
  ] as const) {
    it(`that ${what} fails the request without a word of it`, async () => {
      bench = openSource({ address: scripted.address, token });
      const state = await record(bench.source, 'pay').until(() => true);
      expect(JSON.stringify(state)).toMatch(/the token (could not be had|is not printable)/);
      expect(JSON.stringify([state, bench.logger.lines])).not.toContain(SECRET);
      expect(scripted.requests).toHaveLength(0);
    });
  }
});
