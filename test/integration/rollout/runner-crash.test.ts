import { describe, expect, it } from 'vitest';
import type { ConsulClient } from '../../../src/consul/client';
import { reconcile } from '../../../src/ops/rollout/reconcile';
import { printFact } from '../../support/figure';
import { diesIn, dyingClient } from './fixtures/dying-client';
import { drive, rolloutWorld } from './rollout-world';

const world = rolloutWorld();

describe('a controller that dies', { timeout: 60_000 }, () => {
  it('at any write, before or after Consul has it: the next one ends the rollout, no step twice, none skipped', async () => {
    const begunAt = performance.now();
    let deaths = 0;
    const dieAt = async (nth: number, when: 'before' | 'after'): Promise<boolean> => {
      const service = `dies-${when}-${nth}`;
      await world.begin(service);
      const first = await world.session();
      const dying = world.deps({ client: dyingClient(world.client, nth, when), tickMs: 30 });
      const hasDied = await diesIn(drive(service, first.id, dying));
      const second = await world.session();
      if (hasDied && when === 'after' && nth === 3) {
        // Consul has not ended the first one's session yet.
        expect(await reconcile(service, second.id, world.deps())).toMatchObject({ kind: 'standby' });
      }
      await first.end();
      const { kind } = await drive(service, second.id, world.deps({ tickMs: 30 }));
      expect(kind).toBe('ended');
      const { progress, transitions } = await world.record(service);
      expect(progress).toMatchObject({ state: { kind: 'completed' }, weight: 100 });
      // The first entry is the testers' route, the last takes it away.
      expect(await world.written(service)).toEqual([0, 5, 25, 50, 100, 100]);
      expect(transitions.map(({ number }) => number)).toEqual(transitions.map((_, at) => at + 1));
      const steps = transitions.filter(({ event }) => event === 'setWeight').map(({ step }) => step);
      expect(steps).toEqual([1, 3, 5, 7]);
      return hasDied;
    };
    for (const when of ['before', 'after'] as const) {
      let nth = 1;
      while (await dieAt(nth, when)) nth += 1;
      deaths += nth - 1;
    }
    expect(deaths).toBeGreaterThan(20);
    const took = ((performance.now() - begunAt) / 1000).toFixed(1);
    printFact('controllers that died at a write', `${deaths}, 0 steps done twice, 0 weights skipped (${took} s)`);
  });

  it('and comes back to life with its session gone writes nothing', async () => {
    const service = 'revenant';
    await world.begin(service);
    const [first, second] = [await world.session(), await world.session()];
    await drive(service, first.id, world.deps({ tickMs: 30 }), () => true);
    let isAsleep = true;
    const asleep: ConsulClient = {
      ...world.client,
      async put(request) {
        if (isAsleep && request.body.includes('"Verb":"cas"')) {
          isAsleep = false;
          await first.end();
          expect(await world.rollouts.lock(service, second.id, 'second')).toBe(true);
        }
        return world.client.put(request);
      },
    };
    const { stamp } = await world.record(service);
    // Its record is still as it read it: only the lock is somebody else's.
    const driven = await reconcile(service, first.id, world.deps({ client: asleep }));
    expect(driven.kind).toBe('lost');
    expect(await world.record(service)).toMatchObject({ stamp });
    await drive(service, second.id, world.deps({ tickMs: 30 }));
    expect(await world.written(service)).toEqual([0, 5, 25, 50, 100, 100]);
  });
});
