import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { printFact } from '../../support/figure';
import { type Fleet, fleets } from '../load/fleet';
import { callsFor, callsUntil, METHOD, outliers, shareOfFirst, WELL } from './watching';

/** A minute; in virtual time it is held by the tests of the balancer. */
describe('an instance that fails a part of its calls', () => {
  const open = fleets();

  it('of ten gets at most a fifth of its share after 3,000 calls, which are 30 s at 100 a second, and comes back', async () => {
    const fleet = await open({ behaviours: Array.from({ length: 10 }, () => WELL) });
    const ill = fleet.servers[0] as Fleet['servers'][0];
    const opened: string[] = [];
    fleet.graylane.breakers.subscribe(({ key, event }) => opened.push(`${event} ${key}`));
    await callsFor(fleet, 2_000);
    ill.behaviour = { ...WELL, code: status.UNAVAILABLE, failsEvery: 5 };

    const calls = await callsUntil(fleet, 3_000, () => outliers(fleet).length > 0);
    expect(outliers(fleet)).toEqual(['s0']);
    expect(opened).toEqual([expect.stringMatching(new RegExp(`^open .*:${ill.port}$`))]);
    const endpoint = fleet.graylane.inspect().services[0]?.endpoints.find(({ instance }) => instance === 's0');
    expect(endpoint?.outlier).toMatchObject({ kind: 'failures', peersBad: 0 });
    const explained = fleet.graylane.explain('field', { method: METHOD }).tiers[0]?.endpoints;
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
});
