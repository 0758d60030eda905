import { describe, expect, it } from 'vitest';
import { printFact } from '../../../support/figure';
import { isLong, sliceOf } from '../../../support/slice';
import { dyingClient } from '../fixtures/dying-client';
import { rolloutWorld } from '../rollout-world';
import { BAD, beginThem, DATACENTERS, driveThem, openSessions, wavesContext, wavesOf, writtenIn } from './waves-world';

const world = rolloutWorld({ datacenters: DATACENTERS });

/** What becomes of the waves, and what is written in each datacenter. */
const CASES = {
  healthy: {
    measured: {},
    state: 'completed',
    written: [
      [0, 50, 100, 100],
      [0, 50, 100, 100],
      [0, 50, 100, 100],
    ],
  },
  failing: {
    measured: { dc3: BAD },
    state: 'stopped',
    written: [
      [0, 50, 100, 100, 0],
      [0, 50, 100, 100, 0],
      [0, 50, 0],
    ],
  },
} as const;

describe('a controller of waves that dies', { timeout: isLong ? 600_000 : 90_000 }, () => {
  it.each(Object.entries(CASES))(
    'at a write, before or after Consul has it: the next ends them, no step twice (%s)',
    async (kind, { measured, state, written }) => {
      const dieAt = async (nth: number, when: 'before' | 'after'): Promise<boolean> => {
        const name = `${kind}-${when}-${nth}`;
        await beginThem(world, wavesOf(name, { onFailure: 'take-back-all', bakeMs: 200 }));
        const first = await openSessions(world);
        let hasDied = false;
        const client = dyingClient(world.client, nth, when);
        // Whatever a dead client rejects with reaches the loop at the latest at the next read.
        await driveThem(name, first, wavesContext(world, { client, measured })).catch(() => {
          hasDied = true;
        });
        await first.end();
        const second = await openSessions(world);
        const ended = await driveThem(name, second, wavesContext(world, { measured }));
        await second.end();
        expect(ended.progress.state.kind).toBe(state);
        const found = await Promise.all(DATACENTERS.map((datacenter) => writtenIn(world, name, datacenter)));
        expect([nth, when, found]).toEqual([nth, when, written]);
        expect(ended.transitions.map(({ number }) => number)).toEqual(ended.transitions.map((_, at) => at + 1));
        const begun = ended.transitions.filter(({ event }) => event === 'starting').map(({ member }) => member);
        expect(begun).toEqual(DATACENTERS.map((datacenter) => `${name} in ${datacenter}`));
        return hasDied;
      };
      const most = await writesOf(kind, measured);
      const cells = (['before', 'after'] as const).flatMap((when) =>
        Array.from({ length: most }, (_, at) => ({ nth: at + 1, when })),
      );
      let deaths = 0;
      for (const { nth, when } of sliceOf(cells, 16)) deaths += Number(await dieAt(nth, when));
      expect(deaths).toBeGreaterThan(isLong ? most * 1.8 : 14);
      printFact(`controllers of ${kind} waves that died at a write`, `${deaths}, 0 steps done twice or left out`);
    },
  );
});

/** How often a controller writes that does not die. */
async function writesOf(kind: string, measured: (typeof CASES)[keyof typeof CASES]['measured']): Promise<number> {
  const name = `${kind}-counted`;
  await beginThem(world, wavesOf(name, { onFailure: 'take-back-all', bakeMs: 200 }));
  let writes = 0;
  const client = {
    ...world.client,
    put: (request: Parameters<typeof world.client.put>[0]) => {
      if (request.body.includes('"Verb":"cas"')) writes += 1;
      return world.client.put(request);
    },
  };
  const sessions = await openSessions(world);
  await driveThem(name, sessions, wavesContext(world, { client, measured }));
  await sessions.end();
  return writes;
}
