import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barBeside, watchBare } from '../../support/beside';
import { pause } from '../../support/closers';
import { printFigure, quantile } from '../../support/figure';
import { isLong } from '../../support/slice';
import { type EntryWorld, startEntryWorld, versions } from './config-entries';
import { startTraffic } from './traffic';

const WRITES = isLong ? 50 : 20;
const APART_MS = 300;
/** Of fewer, one stall of the machine would be the whole 99th percentile. */
const PART = isLong ? 0.99 : 0.9;

let world: EntryWorld;

beforeAll(async () => {
  world = await startEntryWorld(['dc1']);
});
afterAll(() => world.close());

describe('how soon calls follow config entries', { timeout: 120_000 }, () => {
  it(`an entry that is written: p${100 * PART} <= 150 ms more than a bare query until the first call by it has its answer`, async () => {
    await world.serve('swift', 'one', { version: 'v1' });
    await world.serve('swift', 'two', { version: 'v2' });
    await world.write(versions('swift', { DefaultSubset: 'v2' }));
    const client = await world.client(world.open(), 'swift');
    const agent = world.consul.dc('dc1');
    const bare = await watchBare(agent, '/v1/discovery-chain/swift');
    const traffic = startTraffic(client);
    const samples: number[] = [];
    const beside: number[] = [];
    for (let write = 0; write < WRITES; write += 1) {
      const to = write % 2 === 0 ? 'v1' : 'v2';
      const writtenAtMs = performance.now();
      const first = traffic.next((call) => call.reply.version === to);
      const told = bare.next((body) => body.includes(`${to}.swift.`));
      await world.write(versions('swift', { DefaultSubset: to }));
      beside.push((await told) - writtenAtMs);
      samples.push((await first).endedAtMs - writtenAtMs);
      await pause(APART_MS);
    }
    await traffic.stop();
    await bare.stop();
    expect(traffic.failures).toEqual([]);
    printFigure('config entry write -> first call by it', samples);
    printFigure('config entry write -> a bare query beside', beside);
    expect(samples).toHaveLength(WRITES);
    expect(quantile(samples, PART)).toBeLessThanOrEqual(barBeside(150, beside, PART));
  });
});
