import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ConsulCluster, startConsul } from '../../../support/consul/start';
import { type Bench, ids, openSource, record } from '../../../unit/client/discovery/consul/recorder';

let consul: ConsulCluster;
let bench: Bench;

beforeAll(async () => {
  consul = await startConsul({ datacenters: ['dc1', 'dc2', 'dc3'] });
  for (const dc of consul.datacenters) await dc.register({ name: 'pay', id: dc.name, port: 7001, address: '10.0.0.1' });
  // A service that the agent's own datacenter does not have.
  await consul.dc('dc2').register({ name: 'remote', port: 7002, address: '10.0.0.1' });
});
afterAll(() => consul.stop());
afterEach(() => bench.close());

const names = (seen: ReturnType<typeof record>): readonly string[] =>
  seen.last().datacenters.map((one) => `${one.datacenter}${one.local ? ' local' : ''}`);

describe('which datacenters are asked', () => {
  it("by default the agent's own, under its name even where it has no such service", async () => {
    bench = openSource({ address: consul.dc('dc2').address });
    const seen = record(bench.source, 'nothing-of-the-kind');
    await seen.until((state) => state.datacenters[0]?.known === true && state.datacenters[0].datacenter === 'dc2');
    expect(names(seen)).toEqual(['dc2 local']);
  });

  it("all that Consul knows, the agent's own first and once", async () => {
    bench = openSource({ address: consul.dc('dc2').address }, 'all');
    const seen = record(bench.source, 'pay');
    await seen.until((state) => state.datacenters.length === 3 && state.datacenters.every((one) => one.known));
    expect(names(seen)[0]).toBe('dc2 local');
    expect(names(seen).slice(1).toSorted()).toEqual(['dc1', 'dc3']);
    for (const dc of ['dc1', 'dc2', 'dc3']) expect(ids(seen.last(), dc)).toEqual([dc]);
  });

  it('a first one that is not where the agent is: asked for by name, said once', async () => {
    bench = openSource({ address: consul.dc('dc1').address }, ['dc3', 'dc2']);
    const seen = record(bench.source, 'pay');
    await seen.until((state) => state.datacenters.every((one) => one.known));
    expect(names(seen)).toEqual(['dc3 local', 'dc2']);
    expect(ids(seen.last(), 'dc3')).toEqual(['dc3']);
    await consul.dc('dc3').setStatus('dc3', 'critical');
    await seen.until((state) => ids(state, 'dc3')[0] === 'dc3 critical');
    await consul.dc('dc3').setStatus('dc3', 'passing');
    await seen.until((state) => ids(state, 'dc3')[0] === 'dc3');
    expect(bench.logger.lines.filter((line) => line.includes('asking for it by name'))).toHaveLength(1);
  });

  it('the same when the wrong datacenter answers with nothing, which does not tell where it comes from', async () => {
    bench = openSource({ address: consul.dc('dc1').address }, ['dc2']);
    const seen = record(bench.source, 'remote');
    await seen.until((state) => ids(state, 'dc2').length === 1);
    expect(
      seen.states.every((state) => state.datacenters.every((one) => !one.known || one.instances.length === 1)),
    ).toBe(true);
  });

  it('a watch may name its own', async () => {
    bench = openSource({ address: consul.dc('dc1').address }, ['dc1', 'dc2']);
    const seen = record(bench.source, 'pay', { datacenters: ['dc3', 'dc1'] });
    await seen.until((state) => state.datacenters.every((one) => one.known));
    expect(names(seen)).toEqual(['dc3 local', 'dc1']);
  });

  it('one that does not exist fails alone', async () => {
    bench = openSource({ address: consul.dc('dc1').address }, ['dc1', 'dc9']);
    const seen = record(bench.source, 'pay');
    await seen.until((state) => {
      const freshness = state.datacenters[1]?.freshness;
      return state.datacenters[0]?.known === true && freshness?.kind === 'pending' && freshness.reason !== undefined;
    });
    expect(seen.dc('dc9')).toMatchObject({ known: false, freshness: { kind: 'pending' } });
    expect(JSON.stringify(seen.dc('dc9').freshness)).toContain('no path to datacenter dc9; known: dc1,');
  });
});

describe('when a datacenter fails', () => {
  it('a frozen one holds nobody up: it counts as failed for now after 1.5 s, and is taken up when it thaws', async () => {
    const dc3 = consul.dc('dc3');
    bench = openSource({ address: consul.dc('dc1').address }, ['dc1', 'dc3']);
    dc3.freeze();
    try {
      const began = performance.now();
      const seen = record(bench.source, 'pay');
      await seen.until((state) => ids(state, 'dc1').length === 1);
      expect(performance.now() - began).toBeLessThan(1_200);
      await seen.until((state) => {
        const freshness = state.datacenters[1]?.freshness;
        // As a rule "no answer within 1500 ms"; on a busy machine Consul itself may give up on it first.
        return freshness?.kind === 'pending' && freshness.reason !== undefined;
      });
      expect(performance.now() - began).toBeLessThan(5_000);
      dc3.thaw();
      await seen.until((state) => ids(state, 'dc3').length === 1, 15_000);
      expect(seen.dc('dc3').freshness).toEqual({ kind: 'fresh' });
    } finally {
      dc3.thaw();
    }
  });

  it("the agent's end makes what is known stale, never less; its return makes it fresh, changes included", async () => {
    const lone = await startConsul({ datacenters: ['dc1'] });
    bench = openSource({ address: lone.dc('dc1').address });
    try {
      await lone.dc('dc1').register({ name: 'pay', id: 'before', port: 7001, address: '10.0.0.1' });
      const seen = record(bench.source, 'pay');
      const good = await seen.until((state) => ids(state, 'dc1').length === 1);
      const killedAtMs = performance.now();
      await lone.dc('dc1').kill();
      await seen.until((state) => state.datacenters[0]?.freshness.kind === 'stale');
      expect(seen.dc('dc1').instances).toBe(good.datacenters[0]?.instances);
      const { freshness } = seen.dc('dc1');
      if (freshness.kind !== 'stale') expect.fail('not stale');
      expect(freshness.reason).toMatch(/^E(CONNRESET|CONNREFUSED|PIPE) |^the answer was cut short/);
      expect(freshness.sinceMs).toBeLessThanOrEqual(killedAtMs);
      await lone.dc('dc1').restart();
      // Its state is lost: what is new must be seen although the index began again.
      await lone.dc('dc1').register({ name: 'pay', id: 'after', port: 7002, address: '10.0.0.1' });
      await seen.until(
        (state) => ids(state, 'dc1')[0] === 'after' && state.datacenters[0]?.freshness.kind === 'fresh',
        15_000,
      );
    } finally {
      await lone.stop();
    }
  });

  it('a second agent address is used when the first cannot be reached', async () => {
    bench = openSource({ address: ['http://127.0.0.1:9', consul.dc('dc1').address] });
    const seen = record(bench.source, 'pay');
    await seen.until((state) => ids(state, 'dc1').length === 1);
  });
});
