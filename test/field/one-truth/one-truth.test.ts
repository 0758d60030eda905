import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import { printFact } from '../../support/figure';
import { describeTally, runWorlds } from './cells';
import { type Ground, openGround, SERVERS } from './ground';

let ground: Ground;

beforeAll(async () => {
  ground = await openGround();
});
afterAll(() => ground.close());

it('whoever tells who serves first says what real calls do, in 200 of the 10,000 cells', async () => {
  const { registry } = ground;
  const random = seededRandom(Number(process.env['GRAYLANE_SEED'] ?? 6));
  const tally = await runWorlds(0, 25, {
    ...registry,
    servers: SERVERS,
    random,
    callsPerWorld: 8,
    hasPlaces: true,
  });
  printFact('one truth', describeTally(tally));
  expect(tally.disagreements.slice(0, 5)).toEqual([]);
  // Proof that more than the plain case was met.
  const decided = [
    'none default',
    'kv default',
    'kv route',
    'kv override',
    'kv lane',
    'chain default',
    'chain route',
    'kv force',
    'chain force',
    'elsewhere',
  ];
  expect(decided.filter((by) => !tally.by.has(by))).toEqual([]);
  expect(tally.served).toBeGreaterThan(100);
  expect(tally.later).toBeGreaterThan(15);
  expect(tally.refused).toBeGreaterThan(15);
});
