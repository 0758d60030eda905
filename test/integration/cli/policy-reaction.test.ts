import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { barBeside, watchBare } from '../../support/beside';
import { pause } from '../../support/closers';
import { printFigure, quantile } from '../../support/figure';
import { type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { isLong } from '../../support/slice';
import { startTraffic } from '../client/traffic';
import { commandWorld, policyOf } from './two-datacenters';

/** Applies and rollbacks, in turn. Of few, one stall of the machine would be the whole 99th percentile. */
const CHANGES = isLong ? 100 : 24;
const PART = isLong ? 0.99 : 0.9;
/** A client reads one question five times a second at most: changes that come faster than that are taken together. */
const REST_MS = 300;

interface Written {
  readonly outcome: string;
  readonly number: number;
  readonly time: string;
}

const world = commandWorld();
let graylane: Graylane;
const servers: PaymentsServer[] = [];

beforeAll(async () => {
  for (const version of ['stable', 'canary']) {
    const server = await startPaymentsServer({ name: version, version, datacenter: 'dc1' });
    servers.push(server);
    const { host: address, port } = server;
    await world.consul.dc('dc1').register({ name: 'followed', id: version, address, port, tags: [version] });
  }
  graylane = createGraylane({ consul: { address: world.consul.dc('dc1').address }, datacenters: ['dc1', 'dc2'] });
});

afterAll(async () => {
  await graylane.close();
  for (const server of servers) server.kill();
});

describe('how soon calls follow the command', { timeout: 180_000 }, () => {
  it(`apply and rollback: p${100 * PART} <= 100 ms more than a bare query from the entry of the history to the first call by the policy`, async () => {
    const to = (subset: string): string =>
      world.file(`${subset}.json`, policyOf('followed', 0, { default: subset, routes: [] }));
    const [canary, stable] = [to('canary'), to('stable')];
    expect((await world.run(['policy', 'apply', canary, '-m', 'begin'])).code).toBe(0);
    const client = paymentsClient(graylane.target('followed'), graylane.clientOptions());
    await graylane.ready('followed');
    const bare = await watchBare(world.consul.dc('dc1'), '/v1/kv/graylane/policies/followed?raw');
    const traffic = startTraffic(client);
    const samples: number[] = [];
    const beside: number[] = [];
    for (let change = 0; change < CHANGES; change += 1) {
      const version = change % 2 === 0 ? 'stable' : 'canary';
      const first = traffic.next((call) => call.reply.version === version);
      const told = bare.next((body) => JSON.parse(body).default === version);
      // One clock for both processes: the wall's.
      const sinceEpochMs = Date.now() - performance.now();
      const args =
        version === 'stable'
          ? ['apply', stable, '-m', `change ${change}`]
          : ['rollback', '1', 'followed', '-m', `change ${change}`];
      const { json } = await world.runJson<readonly Written[]>(['policy', ...args]);
      expect(json[0]?.outcome).toBe('written');
      const { endedAtMs } = await first;
      const writtenAtMs = Date.parse(json[0]?.time ?? '') - sinceEpochMs;
      samples.push(endedAtMs - writtenAtMs);
      beside.push((await told) - writtenAtMs);
      await pause(REST_MS);
    }
    await traffic.stop();
    await bare.stop();
    expect(traffic.failures).toEqual([]);
    printFigure('graylane policy apply and rollback -> first call by the new policy', samples);
    printFigure('graylane policy apply and rollback -> a bare query beside', beside);
    expect(samples).toHaveLength(CHANGES);
    expect(quantile(samples, PART)).toBeLessThanOrEqual(barBeside(100, beside, PART));
  });
});
