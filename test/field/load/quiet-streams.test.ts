import { describe, expect, it } from 'vitest';
import { pause } from '../../support/closers';
import { sliceOf } from '../../support/slice';
import { ALGORITHMS } from '../../unit/client/balancer/connections';
import { fleets, STREAM_KINDS } from './fleet';

/** H1: a stream that has nothing to say says nothing against its instance. */
describe('quiet streams at all instances but one', () => {
  const open = fleets();

  it.each(
    sliceOf(
      STREAM_KINDS.flatMap((kind) => [true, false].map((isBare) => [kind, isBare] as const)),
      3,
    ),
  )('starve none of them: %s, bare target %s', async (kind, isBare) => {
    const fleet = await open({ behaviours: [{}, {}, {}, {}], isBare });
    await fleet.load(300, 3);
    for (const index of [0, 1, 2]) for (let stream = 0; stream < 3; stream += 1) fleet.open(kind, index);
    await pause(500);
    const counts = await fleet.load(1_500, 5);
    const total = [...counts.values()].reduce((a, b) => a + b, 0);
    for (const { name } of fleet.servers) expect((counts.get(name) ?? 0) / total).toBeGreaterThan(0.15);
    expect(fleet.graylane.inspect().services[0]?.endpoints.some(({ isSuspect }) => isSuspect)).toBe(false);
  });

  it.each(sliceOf(ALGORITHMS, 2))('starve none of them under %s', async (algorithm) => {
    const hashBy = algorithm === 'ring_hash' ? { hashBy: 'x-user' } : {};
    const fleet = await open({ behaviours: [{}, {}, {}], balancing: { algorithm, ...hashBy } });
    await fleet.load(200, 3);
    for (const index of [0, 1]) fleet.open('watch', index);
    await pause(300);
    const counts = await fleet.load(1_000, 5);
    for (const { name } of fleet.servers) expect(counts.get(name)).toBeGreaterThan(20);
  });
});

describe('streams that last', () => {
  const open = fleets();

  it.each([
    ['watch', 'peak_ewma', 'one after another'],
    ['converse', 'peak_ewma', 'one after another'],
    ['watch', 'least_request', 'one after another'],
    ['watch', 'peak_ewma', 'all at once'],
  ] as const)('are spread evenly: 28 over 3, %s under %s, %s', async (kind, algorithm, how) => {
    const fleet = await open({ behaviours: [{}, {}, {}], balancing: { algorithm } });
    for (let stream = 0; stream < 28; stream += 1) {
      fleet.open(kind);
      if (how === 'one after another') await Promise.all([fleet.call(), pause(10)]);
    }
    const openNow = (): number[] => fleet.servers.map(({ openStreams }) => openStreams).sort((a, b) => a - b);
    await expect.poll(() => openNow().reduce((a, b) => a + b, 0)).toBe(28);
    // 9, 9, 10 on a calm machine; one whose quick answers were late for a moment gets one less.
    expect((openNow()[2] ?? 0) - (openNow()[0] ?? 0)).toBeLessThanOrEqual(2);
  });
});

describe('the first event of a stream', () => {
  it('teaches nothing, however late it comes', async () => {
    const fleet = await fleetOf({ behaviours: [{ firstEventMs: 2_000 }, {}, {}] });
    await fleet.load(300, 3);
    fleet.open('watch', 0);
    await fleet.load(2_300, 5);
    const slowness = fleet.graylane.inspect().services[0]?.endpoints.map((each) => each.latencyMs) ?? [];
    expect(Math.max(...slowness)).toBeLessThan(1_000);
    const counts = await fleet.load(1_000, 5);
    // A third is its share. One that looked slow by seconds would get next to nothing.
    expect(counts.get('s0')).toBeGreaterThan(0.12 * [...counts.values()].reduce((a, b) => a + b, 0));
  });
  const fleetOf = fleets();
});
