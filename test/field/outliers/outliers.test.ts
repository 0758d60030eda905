import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { type Fleet, fleets } from '../load/fleet';

const EVERY_MS = 8;
const METHOD = '/field.Load/Get';
const WELL = { getMs: 3 };

function outliers(fleet: Fleet): string[] {
  const endpoints = fleet.lane.inspect().services[0]?.endpoints ?? [];
  return endpoints.filter(({ outlier }) => outlier !== undefined).map(({ instance }) => instance);
}

async function callsFor(fleet: Fleet, forMs: number): Promise<number> {
  return [...(await fleet.load(forMs, EVERY_MS)).values()].reduce((sum, count) => sum + count, 0);
}

/** Makes calls until it is so, at most `most` and some; how many. */
async function callsUntil(fleet: Fleet, most: number, isSo: () => boolean): Promise<number> {
  let calls = 0;
  while (calls < most && !isSo()) calls += await callsFor(fleet, 400);
  expect(isSo()).toBe(true);
  return calls;
}

/** Which share of its fair share the first of the servers gets. */
async function shareOfFirst(fleet: Fleet, forMs: number): Promise<number> {
  const [first] = fleet.servers;
  const before = first?.gets ?? 0;
  const calls = await callsFor(fleet, forMs);
  return (((first?.gets ?? 0) - before) * fleet.servers.length) / calls;
}

/** H7: judged against its peers. */
describe('an instance that fails a part of its calls', () => {
  const open = fleets();

  it('of ten gets at most a fifth of its share after 3,000 calls, which are 30 s at 100 a second, and comes back', async () => {
    const fleet = await open({ behaviours: Array.from({ length: 10 }, () => WELL) });
    const ill = fleet.servers[0] as Fleet['servers'][0];
    const opened: string[] = [];
    fleet.lane.breakers.subscribe(({ key, event }) => opened.push(`${event} ${key}`));
    await callsFor(fleet, 2_000);
    ill.behaviour = { ...WELL, code: status.UNAVAILABLE, failsEvery: 5 };

    const calls = await callsUntil(fleet, 3_000, () => outliers(fleet).length > 0);
    expect(outliers(fleet)).toEqual(['s0']);
    expect(opened).toEqual([expect.stringMatching(new RegExp(`^open .*:${ill.port}$`))]);
    const endpoint = fleet.lane.inspect().services[0]?.endpoints.find(({ instance }) => instance === 's0');
    expect(endpoint?.outlier).toMatchObject({ kind: 'failures', peersBad: 0 });
    const explained = fleet.lane.explain('field', { method: METHOD }).tiers[0]?.endpoints;
    const heldOut = explained?.find(({ instance }) => instance === 's0')?.heldOut;
    expect(heldOut).toMatch(/outlier: \d+ of \d+ attempts failed, 0 of \d+ at its peers/);

    const share = await shareOfFirst(fleet, 10_000);
    expect(share).toBeLessThanOrEqual(0.2);
    ill.behaviour = WELL;
    const back = await callsUntil(fleet, 12_000, () => outliers(fleet).length === 0);
    const afterwards = await shareOfFirst(fleet, 3_000);
    expect(afterwards).toBeGreaterThan(0.6);
    const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
    printFact(
      '1 of 10 fails every fifth call, real servers, 100 calls/s',
      `ejected after ${calls} calls; ${percent(share)} of its fair share then; back ${back} calls after its cure`,
    );
  }, 180_000);

  it.each(['UNIMPLEMENTED', 'UNAUTHENTICATED', 'NOT_FOUND'] as const)(
    'is left alone by other codes than breakers count, too: one of three answers %s',
    async (code) => {
      const fleet = await open({ behaviours: [{ code: status[code] }, WELL, WELL] });
      await callsUntil(fleet, 1_500, () => outliers(fleet).length > 0);
      expect(outliers(fleet)).toEqual(['s0']);
      expect(await shareOfFirst(fleet, 1_500)).toBeLessThanOrEqual(0.2);
    },
    60_000,
  );

  it.each([
    ['all of them fail every fifth call', [5, 5, 5], status.INTERNAL],
    ['one sheds every third call', [3, undefined, undefined], status.RESOURCE_EXHAUSTED],
  ])(
    'is no outlier where %s',
    async (_, every, code) => {
      const behaviours = every.map((failsEvery) => (failsEvery === undefined ? WELL : { ...WELL, code, failsEvery }));
      const fleet = await open({ behaviours });
      for (let calls = 0; calls < 1_000; calls += await callsFor(fleet, 400)) expect(outliers(fleet)).toEqual([]);
    },
    60_000,
  );
});
