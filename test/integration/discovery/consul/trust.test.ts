import { afterEach, describe, expect, it } from 'vitest';
import { closeAfterEach } from '../../../support/closers';
import { startConsul } from '../../../support/consul/start';
import { healthEntry, reply, type ScriptedConsul, startScriptedConsul } from '../../../support/scripted-consul';
import { type Bench, ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

const opened = closeAfterEach();
let bench: Bench;
afterEach(() => bench.close());

describe('two registrations of one address (real Consul)', () => {
  it('the newer one counts, whatever its name, and it is told once', async () => {
    const dc1 = opened(await startConsul(), (each) => each.stop()).dc('dc1');
    const put = (id: string, tag: string, more: object = {}) =>
      dc1.register({ name: 'pay', id, address: '127.0.0.1', port: 7001, tags: [tag], ...more });
    await put('z-old', 'stable');
    await put('a-new', 'canary');
    bench = openSource({ address: dc1.address });
    const seen = record(bench.source, 'pay');
    const tags = () => seen.dc('dc1').instances.map(({ id, tags: [tag] }) => `${id} ${tag}`);
    await seen.until((state) => ids(state, 'dc1').length > 0);
    expect(tags()).toEqual(['a-new canary']);
    // It runs there again, under its former name.
    await put('z-old', 'stable', { meta: { build: '2' } });
    await expect.poll(tags).toEqual(['z-old stable']);
    // The other one is set aside by hand, which is no registration of anything that runs there.
    await dc1.deregister('a-new');
    await expect.poll(() => seen.dc('dc1').rejected).toBe(0);
    expect(tags()).toEqual(['z-old stable']);
    expect(bench.logger.lines.filter((line) => /registered at one address|malformed/.test(line))).toHaveLength(1);
  });
});

// Consul 1.12 and later mark what they have cut (X-Consul-Results-Filtered-By-ACLs); 1.8 cannot be asked for it.
describe('an answer that Consul has cut for want of permission (scripted)', () => {
  let scripted: ScriptedConsul;
  let listed: readonly string[] = [];
  let isCut = false;
  let index = 1;
  let wake: (() => void) | undefined;

  async function start(): Promise<void> {
    scripted = opened(await startScriptedConsul(), (each) => each.stop());
    scripted.answer((request, response) => {
      if (request.path !== '/v1/health/service/pay') return reply(response, { status: 403, body: 'Permission denied' });
      const answer = (): void =>
        reply(response, {
          index: String(index),
          ...(isCut ? { headers: { 'x-consul-results-filtered-by-acls': 'true' } } : {}),
          body: listed.map((id, at) => healthEntry(id, 7001 + at)),
        });
      if (request.query.get('index') === String(index)) wake = answer;
      else answer();
    });
  }
  function change(next: readonly string[], cut: boolean): void {
    listed = next;
    isCut = cut;
    index += 1;
    wake?.();
    wake = undefined;
  }

  it('is told, and whoever vanished with it is kept as after a sudden loss, be it one', async () => {
    await start();
    listed = ['a', 'b', 'c', 'd'];
    isCut = false;
    bench = openSource({ address: scripted.address });
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1').length === 4);
    change(['a', 'b', 'c'], true);
    await expect.poll(() => seen.dc('dc1').isPartial).toBe(true);
    expect(seen.dc('dc1').absent?.map(({ id }) => id)).toEqual(['d']);
    expect(ids(seen.last(), 'dc1')).toEqual(['a', 'b', 'c']);
    change(['a', 'b'], true);
    await expect.poll(() => seen.dc('dc1').absent?.map(({ id }) => id)).toEqual(['d', 'c']);
    change(['a', 'b', 'c', 'd'], false);
    await expect.poll(() => seen.dc('dc1').absent).toEqual([]);
    expect(seen.dc('dc1')).toMatchObject({ isPartial: false });
    // One that leaves alone, where nothing is hidden, leaves on purpose.
    change(['a', 'b', 'c'], false);
    await expect.poll(() => ids(seen.last(), 'dc1')).toEqual(['a', 'b', 'c']);
    expect(seen.dc('dc1').absent).toEqual([]);
    const told = bench.logger.lines.filter((line) => /token may not see|lists all instances again/.test(line));
    expect(told.map((line) => line.split(' {')[0])).toEqual([
      'Consul leaves out what the token may not see; instances that vanish with that are kept for a while',
      'Consul lists all instances again',
    ]);
  });
});

// Real servers answer so for some milliseconds, as leader: too short to be asked for.
describe('an empty list of a server that has not read its state (scripted)', () => {
  async function answeringAtFirst(first: string | undefined, then: readonly string[]): Promise<void> {
    const scripted = opened(await startScriptedConsul(), (each) => each.stop());
    let isRead = false;
    scripted.answer((request, response) => {
      if (request.path !== '/v1/health/service/pay') return reply(response, { status: 404, body: '' });
      const later = { index: '11', body: then.map((id, at) => healthEntry(id, 7001 + at)) };
      if (isRead) return request.query.get('index') === '11' ? undefined : reply(response, later);
      if (request.query.get('index') === null) return reply(response, { ...(first && { index: first }), body: [] });
      setTimeout(() => {
        isRead = then.length > 0;
        reply(response, isRead ? later : { index: '1', body: [] });
      }, 150);
    });
    bench = openSource({ address: scripted.address });
  }

  it('is no news: nobody hears of 0 instances before it has', async () => {
    await answeringAtFirst('1', ['a', 'b']);
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1').length === 2);
    const told = seen.states.map(({ datacenters: [dc] }) => [dc?.known, dc?.instances.length]);
    expect(told.filter(([known, count]) => known === true && count === 0)).toEqual([]);
    expect(bench.logger.lines.filter((line) => line.includes('no state yet'))).toHaveLength(1);
  });

  it('is believed where it stays so, and at any other index', async () => {
    await answeringAtFirst('1', []);
    const beganMs = performance.now();
    const seen = record(bench.source, 'pay');
    await seen.until(({ datacenters: [dc] }) => dc?.known === true, 8_000);
    expect(performance.now() - beganMs).toBeGreaterThan(2_500);
    bench.close();
    await answeringAtFirst('5', []);
    const other = record(bench.source, 'pay');
    await other.until(({ datacenters: [dc] }) => dc?.known === true);
    expect(performance.now() - beganMs).toBeLessThan(20_000);
  });
});
