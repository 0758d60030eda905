import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import { printFact } from '../../support/figure';
import { describeTally, runWorlds } from './cells';
import { type Ground, openGround, SERVERS } from './ground';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const WORLDS = 125;
const CALLS = 8;
const DECIDED = [
  'none default',
  'kv default',
  'kv route',
  'kv override',
  'kv force',
  'elsewhere',
  'chain default',
  'chain route',
];
let ground: Ground;

beforeAll(async () => {
  ground = await openGround();
});
afterAll(() => ground.close());

it.each(SEEDS)(
  'whoever tells who serves first says what real calls do, in 1,000 of 10,000 cells: seed %d',
  async (seed) => {
    const { registry } = ground;
    const run = { ...registry, servers: SERVERS, random: seededRandom(seed), callsPerWorld: CALLS, hasPlaces: true };
    const tally = await runWorlds(seed * 1_000, WORLDS, run);
    printFact(`one truth, seed ${seed}`, describeTally(tally));
    expect(tally.disagreements.slice(0, 5)).toEqual([]);
    expect(tally.cells).toBe(WORLDS * CALLS);
    expect(DECIDED.filter((by) => !tally.by.has(by))).toEqual([]);
    expect(tally.served).toBeGreaterThan(WORLDS * 4);
    expect(tally.later).toBeGreaterThan(WORLDS);
    expect(tally.refused).toBeGreaterThan(WORLDS);
  },
  600_000,
);
