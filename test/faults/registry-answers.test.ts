import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { healthEntry, reply, type ScriptedAnswer, startScriptedConsul } from '../support/scripted-consul';
import { startServerProcess } from '../support/server-process';
import { loadGraylane } from './fixtures/consul-load';

const opened = closeAfterEach();
const PATH = '/v1/health/service/payments';

/** A way to answer that no sane Consul has. The reason that `inspect()` gives; undefined: the answer is as good as any. */
interface Fault {
  readonly name: string;
  readonly reason: RegExp | undefined;
  answer(good: readonly object[], response: ServerResponse): void;
}

const said = (name: string, answer: (good: readonly object[]) => ScriptedAnswer, reason?: RegExp): Fault => ({
  name,
  reason,
  answer: (good, response) => reply(response, answer(good)),
});

const faults: readonly Fault[] = [
  said('index back', (body) => ({ index: '3', body })),
  said('index 0', (body) => ({ index: '0', body })),
  said('index missing', (body) => ({ body })),
  said('index beyond 2^53', (body) => ({ index: '9007199254740993', body })),
  said('500 without a leader', () => ({ status: 500, body: 'No cluster leader' }), /HTTP 500/),
  said('429', () => ({ status: 429, body: 'too many' }), /HTTP 429/),
  said('503', () => ({ status: 503, body: '' }), /HTTP 503/),
  said('403', () => ({ status: 403, body: 'Permission denied' }), /HTTP 403/),
  said('302', () => ({ status: 302, headers: { location: 'http://127.0.0.1:9/' }, body: '' }), /HTTP 302/),
  said(
    '[] for want of permission, marked',
    () => ({
      index: '900',
      headers: { 'x-consul-results-filtered-by-acls': 'true' },
      body: [],
    }),
    /permission/,
  ),
  said('[]', () => ({ index: '901', body: [] }), /lists 0 instances/),
  said('HTML with 200', () => ({ index: '9', body: '<html>Sign in</html>' }), /not JSON/),
  said('wrong types', () => ({ index: '9', body: { payments: [1, 2] } }), /not a JSON array/),
  said('entries of wrong types', () => ({ index: '9', body: [7, null, 'x', { Service: [] }] }), /malformed/),
  said('null', () => ({ index: '9', body: 'null' }), /not a JSON array/),
  said('60 MB', () => ({ index: '9', body: Buffer.alloc(60 * 1024 * 1024, 0x20) }), /larger than/),
  {
    name: 'cut short',
    reason: /cut short|ECONNRESET/,
    answer: (_good, response) => {
      response.writeHead(200, { 'x-consul-index': '9', 'content-length': '5000' });
      response.write('[{"Node":');
      setTimeout(() => response.destroy(), 20);
    },
  },
  {
    name: 'reset before headers',
    reason: /ECONNRESET|failed/,
    answer: (_good, response) => response.destroy(),
  },
];

it('whatever Consul answers, no call is lost, and a good answer is followed at once', { timeout: 90_000 }, async () => {
  const servers = await startServerProcess({ names: ['p1', 'p2', 'p3', 'p4'] });
  opened(servers, () => servers.kill());
  const entries = servers.instances.map(({ name, port }) => healthEntry(name, port, { Address: '127.0.0.1' }));
  const consul = opened(await startScriptedConsul(), (each) => each.stop());

  let current: Fault | undefined;
  let faulty = 0;
  let index = 1_000;
  let waiting: ServerResponse[] = [];
  const good = (response: ServerResponse): void => {
    index += 1;
    reply(response, { index: String(index), body: entries });
  };
  consul.answer(({ path, query }, response) => {
    if (path !== PATH) return reply(response, { status: 404, body: 'nothing here' });
    if (current !== undefined) {
      faulty += 1;
      current.answer(entries, response);
    } else if (query.get('index') === String(index)) waiting.push(response);
    else good(response);
  });
  const release = (): void => {
    const released = waiting;
    waiting = [];
    for (const response of released) current === undefined ? good(response) : current.answer(entries, response);
  };

  const running = await loadGraylane({ consul: { address: consul.address }, datacenters: ['dc1'] });
  opened(running, () => running.close());
  const heapBefore = process.memoryUsage().rss;
  const rows: string[] = [];
  for (const fault of faults) {
    current = fault;
    faulty = 0;
    const faultyMs = performance.now();
    const lines = running.log.length;
    release();
    if (fault.reason !== undefined) {
      await expect.poll(() => running.datacenter()?.reason, { interval: 5 }).toMatch(fault.reason);
      expect(running.datacenter()).toMatchObject({ known: true, instances: 4, freshness: 'stale' });
    }
    await pause(500);
    const asked = faulty;
    current = undefined;
    release();
    const began = performance.now();
    // Waits between questions grow with the time that the fault lasts: on a busy machine longer than was asked for.
    const timeout = 5_000 + 2 * (began - faultyMs);
    await expect
      .poll(() => [running.datacenter()?.freshness, waiting.length], { timeout, interval: 5 })
      .toEqual(['fresh', 1]);
    const said = running.log.slice(lines).filter((line) => /^(warn|error)/.test(line)).length;
    expect(running.instances()).toHaveLength(4);
    // What is refused is said once, however often it comes.
    expect(said, `${fault.name}: ${running.log.slice(lines).join('\n')}`).toBe(fault.reason === undefined ? 0 : 1);
    expect(asked).toBeLessThanOrEqual(8);
    rows.push(`${fault.name}: ${asked} asked in 500 ms, fresh after ${(performance.now() - began).toFixed(0)} ms`);
  }
  await running.load.stop();
  for (const row of rows) printFact(`Consul answers ${row.split(':')[0]}`, row.slice(row.indexOf(':') + 2));
  const grownMb = (process.memoryUsage().rss - heapBefore) / 2 ** 20;
  printFact('every wrong answer in turn', `${running.losses()}; resident memory ${grownMb.toFixed(0)} MB more`);
  expect(running.load.lost).toEqual([]);
  expect(running.load.calls.length).toBeGreaterThan(500);
});
