import { expect, it } from 'vitest';
import type { Timer } from '../../../../src/base/clock';
import type { DatacenterState, Instance } from '../../../../src/base/instances';
import { silentLogger } from '../../../../src/base/logger';
import { Backfill } from '../../../../src/client/state/last-known-good';
import { FakeClock } from '../../../../src/client/testing/fake-clock';

const GRACE_PERIOD_MS = 1_500;

/** Runs timers a fraction of a millisecond before their time, as Node's may by the monotonic clock. */
class EagerClock extends FakeClock {
  override setTimer(delayMs: number, callback: () => void): Timer {
    return super.setTimer(Math.max(delayMs > 1 ? 0 : 0.1, delayMs - 0.5), callback);
  }
}

const instance: Instance = {
  key: 'dc1/node/one',
  id: 'one',
  node: 'node',
  datacenter: 'dc1',
  zone: undefined,
  address: '127.0.0.1',
  port: 1,
  tags: [],
  meta: {},
  status: 'passing',
  weight: 1,
};

function listing(datacenter: string, instances: readonly Instance[]): DatacenterState {
  const fresh = { kind: 'fresh' } as const;
  const common = { known: true, rejected: 0, connectOnly: false, filters: new Map(), freshness: fresh };
  return { datacenter, local: datacenter === 'dc1', instances, ...common };
}

it('ends by itself, also where its timer comes a little early, for one datacenter after another', () => {
  const clock = new EagerClock();
  const remembered = { version: 1, datacenters: [listing('dc1', [instance]), listing('dc2', [instance])] };
  let state = { datacenters: [listing('dc1', []), listing('dc2', [instance])] };
  let held: readonly boolean[] = [];
  const look = (): void => {
    held = backfill.apply(state, remembered).datacenters.map((each) => each.isHeld === true);
  };
  const backfill = new Backfill({
    service: 'payments',
    gracePeriodMs: GRACE_PERIOD_MS,
    clock,
    logger: silentLogger,
    onOver: look,
  });
  look();
  expect(held).toEqual([true, false]);
  clock.advance(1_000);
  // As yet unheard of: a state of its own, so that what was said of it before does not count.
  state = { datacenters: [listing('dc1', []), listing('dc3', [])] };
  remembered.datacenters.push(listing('dc3', [instance]));
  look();
  expect(held).toEqual([true, true]);
  clock.advance(501);
  expect(held).toEqual([false, true]);
  clock.advance(1_000);
  expect(held).toEqual([false, false]);
  expect(clock.pending).toBe(0);
});
