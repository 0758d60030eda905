import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pause } from '../../support/closers';
import { printFigure } from '../../support/figure';
import { type EntryWorld, startEntryWorld, versions } from './config-entries';
import { startTraffic } from './traffic';

const WRITES = 50;
const APART_MS = 400;

let world: EntryWorld;

beforeAll(async () => {
  world = await startEntryWorld(['dc1']);
});
afterAll(() => world.close());

describe('how soon calls follow config entries', { timeout: 120_000 }, () => {
  it('an entry that is written: p99 <= 150 ms until the first call by it has its answer', async () => {
    await world.serve('swift', 'one', { version: 'v1' });
    await world.serve('swift', 'two', { version: 'v2' });
    await world.write(versions('swift', { DefaultSubset: 'v2' }));
    const client = await world.client(world.open(), 'swift');
    const traffic = startTraffic(client);
    const samples: number[] = [];
    for (let write = 0; write < WRITES; write += 1) {
      const to = write % 2 === 0 ? 'v1' : 'v2';
      const writtenAtMs = performance.now();
      const first = traffic.next((call) => call.reply.version === to);
      await world.write(versions('swift', { DefaultSubset: to }));
      samples.push((await first).endedAtMs - writtenAtMs);
      await pause(APART_MS);
    }
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
    const figure = printFigure('config entry write -> first call by it', samples);
    expect(figure.count).toBe(WRITES);
    expect(figure.p99).toBeLessThanOrEqual(150);
  });
});
