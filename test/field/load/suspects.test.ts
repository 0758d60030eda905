import { describe, expect, it } from 'vitest';
import { pause } from '../../support/closers';
import { sliceOf } from '../../support/slice';
import { ALGORITHMS } from '../../unit/client/balancer/connections';
import { type Fleet, fleets } from './fleet';

/** Calls hang at the first of two until it is suspect; a health check may have cleared it within milliseconds. */
async function hangOne(fleet: Fleet, hasHealth: boolean): Promise<void> {
  const [ill] = fleet.servers;
  if (ill === undefined) throw new Error('there are two servers');
  await fleet.load(200, 3);
  ill.behaviour = { getMs: 4_500 };
  const before = ill.gets;
  while (ill.gets === before) {
    void fleet.call();
    await pause(5);
  }
  if (hasHealth) await pause(400);
  else await expect.poll(() => isSuspect(fleet), { interval: 5 }).toBe(true);
}

function isSuspect(fleet: Fleet): boolean {
  return fleet.graylane.inspect().services[0]?.endpoints.some((each) => each.isSuspect) ?? false;
}

describe('a suspect', () => {
  const open = fleets();

  it.each(
    sliceOf(
      ALGORITHMS.flatMap((algorithm) => [true, false].map((hasHealth) => [algorithm, hasHealth] as const)),
      4,
    ),
  )(
    'is looked at within a second or so, and has its share back: %s, health service %s',
    async (algorithm, hasHealth) => {
      const hashBy = algorithm === 'ring_hash' ? { hashBy: 'x-user' } : {};
      const fleet = await open({ behaviours: [{}, {}], balancing: { algorithm, ...hashBy }, hasHealth });
      const [ill] = fleet.servers;
      await hangOne(fleet, hasHealth);
      if (ill !== undefined) ill.behaviour = {};
      await fleet.load(1_500, 5);
      expect(isSuspect(fleet)).toBe(false);
      const counts = await fleet.load(500, 5);
      expect(counts.get('s0')).toBeGreaterThan(10);
    },
  );

  it.each([true, false])('gets one call a second while its handlers hang: health service %s', async (hasHealth) => {
    const fleet = await open({ behaviours: [{}, {}], hasHealth });
    const [ill] = fleet.servers;
    await hangOne(fleet, hasHealth);
    // With a health service, the check clears it once: those calls that come within 100 ms and a tick go there too.
    if (hasHealth) await Promise.race([fleet.load(1_000, 10), pause(1_000)]);
    const before = ill?.gets ?? 0;
    await Promise.race([fleet.load(2_500, 10), pause(2_600)]);
    const asked = (ill?.gets ?? 0) - before;
    expect(asked).toBeGreaterThanOrEqual(1);
    // Two or three on a calm machine; half of 250 if nothing kept calls from it.
    expect(asked).toBeLessThanOrEqual(25);
  });
});
