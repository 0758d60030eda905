import type { ConsulCluster } from '../../test/support/consul/start';
import { startServerProcess } from '../../test/support/server-process';
import { paymentsClient } from '../peers/payments';
import { loadPackage } from '../variants/package';
import type { Reaction } from './reaction';
import { pause, startTraffic } from './traffic';

const SERVICE = 'policy-payments';
const KEY = `graylane/policies/${SERVICE}`;
/** A service's changes are taken at once up to a rate; a faster writer would wait for himself. */
const APART_MS = 300;

/** A policy written to KV moves all calls to the other subset, again and again. */
export async function policyWritten(consul: ConsulCluster, repetitions: number): Promise<Reaction> {
  const dc = consul.dc('dc1');
  const servers = await startServerProcess({ names: ['stable', 'canary'] });
  for (const { name, host, port } of servers.instances) {
    await dc.register({ name: SERVICE, id: `${SERVICE}-${name}`, address: host, port, tags: [name] });
  }
  await dc.putKv(KEY, policyTo('stable'));
  const graylane = loadPackage().createGraylane({ consul: { address: dc.address } });
  const client = paymentsClient(graylane.target(SERVICE), graylane.clientOptions());
  await graylane.ready(SERVICE, { timeoutMs: 10_000 });
  const traffic = startTraffic({ client, everyMs: 2 });
  const samplesMs: number[] = [];
  try {
    await traffic.next(({ servedBy }) => servedBy === 'stable');
    for (let flip = 0; flip < repetitions; flip += 1) {
      await pause(APART_MS);
      const to = flip % 2 === 0 ? 'canary' : 'stable';
      const writtenAtMs = performance.now();
      const first = traffic.next(({ servedBy }) => servedBy === to);
      await dc.putKv(KEY, policyTo(to));
      samplesMs.push((await first).endedAtMs - writtenAtMs);
    }
  } finally {
    await traffic.stop();
    client.close();
    await graylane.close();
    await servers.kill();
  }
  return { what: 'policy written -> first call by it answered', samplesMs };
}

function policyTo(subset: string): string {
  return JSON.stringify({
    schema: 1,
    service: SERVICE,
    subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
    default: subset,
  });
}
