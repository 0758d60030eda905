import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGraylane, type Graylane } from '../../../src/index';
import { printFigure } from '../../support/figure';
import { type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';
import { startTraffic } from '../client/traffic';
import { commandWorld, policyOf } from './two-datacenters';

/** Applies and rollbacks, in turn. Of fewer, one stall of the machine would be the whole 99th percentile. */
const CHANGES = 100;

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
  it('apply and rollback: p99 <= 100 ms from the entry of the history to the first call by the policy', async () => {
    const to = (subset: string): string =>
      world.file(`${subset}.json`, policyOf('followed', 0, { default: subset, routes: [] }));
    const [canary, stable] = [to('canary'), to('stable')];
    expect((await world.run(['policy', 'apply', canary, '-m', 'begin'])).code).toBe(0);
    const client = paymentsClient(graylane.target('followed'), graylane.clientOptions());
    await graylane.ready('followed');
    const traffic = startTraffic(client);
    const samples: number[] = [];
    for (let change = 0; change < CHANGES; change += 1) {
      const version = change % 2 === 0 ? 'stable' : 'canary';
      const first = traffic.next((call) => call.reply.version === version);
      // One clock for both processes: the wall's.
      const sinceEpochMs = Date.now() - performance.now();
      const args =
        version === 'stable'
          ? ['apply', stable, '-m', `change ${change}`]
          : ['rollback', '1', 'followed', '-m', `change ${change}`];
      const { json } = await world.runJson<readonly Written[]>(['policy', ...args]);
      expect(json[0]?.outcome).toBe('written');
      const { endedAtMs } = await first;
      samples.push(endedAtMs + sinceEpochMs - Date.parse(json[0]?.time ?? ''));
    }
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
    const figure = printFigure('graylane policy apply and rollback -> first call by the new policy', samples);
    expect(figure.count).toBe(CHANGES);
    expect(figure.p99).toBeLessThanOrEqual(100);
  });
});
