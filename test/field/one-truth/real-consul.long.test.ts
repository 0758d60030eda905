import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random';
import { type ConsulCluster, startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { describeTally } from './cells';
import { type Ground, openGround } from './ground';
import { runRealWorlds } from './real-worlds';

let consul: ConsulCluster;
let ground: Ground;

beforeAll(async () => {
  consul = await startConsul({
    datacenters: ['dc1', 'dc2', 'dc3'],
    // Closed queries count until Consul has noticed.
    config: { limits: { http_max_conns_per_client: 10_000 } },
  });
  ground = await openGround();
});
afterAll(async () => {
  await ground.close();
  await consul.stop();
});

it('whoever tells who serves first says what real calls do, by 40 chains of a real Consul', async () => {
  const random = seededRandom(Number(process.env['GRAYLANE_SEED'] ?? 3));
  const tally = await runRealWorlds(40, { consul, ground, random });
  printFact('one truth, real Consul', describeTally(tally));
  expect(tally.disagreements.slice(0, 5)).toEqual([]);
  expect(tally.cells).toBe(200);
  expect(tally.served).toBeGreaterThan(80);
}, 600_000);
