import type { ConsulCluster } from '../../test/support/consul/start';
import { startServerProcess } from '../../test/support/server-process';
import { paymentsClient } from '../peers/payments';
import { spreadOf } from '../sample';
import { loadPackage } from '../variants/package';
import { plain } from '../variants/plain';
import { pause, startTraffic, type Traffic } from './traffic';

const SERVICE = 'killed-payments';
const VICTIM = 'victim';
/** With 200 calls a second of 20 ms each over three instances, one or two are out at the victim when it dies. */
const EVERY_MS = 5;
const ANSWER_MS = 20;
const WATCHED_MS = 2_000;

/** What one client lost when one of three servers was killed, over all repetitions. */
export interface Loss {
  readonly client: string;
  readonly kills: number;
  readonly failedInAll: number;
  readonly mostFailed: number;
  /** From the kill to the end of the last failed call; undefined when none failed. Milliseconds. */
  readonly lastFailedMs: { readonly p50: number; readonly most: number } | undefined;
}

/** SIGKILL to one of three servers; four clients live through the same kills. Nobody tells Consul. */
export async function serverKilled(consul: ConsulCluster, repetitions: number): Promise<readonly Loss[]> {
  const dc = consul.dc('dc1');
  const steady = await startServerProcess({ names: ['first', 'second'] });
  let victim = await startServerProcess({ names: [VICTIM] });
  const slow = { delayMs: ANSWER_MS };
  for (const servers of [steady, victim]) await servers.behave(slow);
  const instances = [...steady.instances, ...victim.instances];
  for (const { name, host, port } of instances) await dc.register({ name: SERVICE, id: name, address: host, port });
  const addresses = instances.map(({ host, port }) => `${host}:${port}`);
  const graylane = loadPackage().createGraylane({
    consul: { address: dc.address },
    policies: { [SERVICE]: { schema: 1, service: SERVICE, retry: {} } },
  });
  const ours = paymentsClient(graylane.target(SERVICE), graylane.clientOptions());
  const retried = await plain('round_robin')(addresses);
  const unretried = await plain('round_robin', { 'grpc.enable_retries': 0 })(addresses);
  await graylane.ready(SERVICE, { timeoutMs: 10_000 });
  const clients: Readonly<Record<string, Traffic>> = {
    graylane: startTraffic({ client: ours, everyMs: EVERY_MS }),
    'grpc-js round_robin': startTraffic({ client: retried.client, everyMs: EVERY_MS }),
    'graylane, retry off': startTraffic({
      client: ours,
      everyMs: EVERY_MS,
      around: (call) => graylane.with({ retry: false }, call),
    }),
    'grpc-js round_robin, retry off': startTraffic({ client: unretried.client, everyMs: EVERY_MS }),
  };
  const counted = new Map(
    Object.keys(clients).map((name) => [name, { failed: [] as number[], lastMs: [] as number[] }]),
  );
  const { port = 0 } = victim.instances[0] ?? {};
  try {
    for (let kill = 0; kill < repetitions; kill += 1) {
      await allReach(clients);
      for (const traffic of Object.values(clients)) traffic.takeFailures();
      const killedAtMs = performance.now();
      await victim.kill();
      await pause(WATCHED_MS);
      for (const [name, traffic] of Object.entries(clients)) {
        const failures = traffic.takeFailures();
        counted.get(name)?.failed.push(failures.length);
        const lastMs = Math.max(...failures.map(({ endedAtMs }) => endedAtMs - killedAtMs));
        if (failures.length > 0) counted.get(name)?.lastMs.push(lastMs);
      }
      victim = await startServerProcess({ names: [VICTIM], port });
      await victim.behave(slow);
    }
  } finally {
    for (const traffic of Object.values(clients)) await traffic.stop();
    ours.close();
    await retried.close();
    await unretried.close();
    await graylane.close();
    await Promise.all([steady.kill(), victim.kill()]);
  }
  return [...counted].map(([client, { failed, lastMs }]) => ({
    client,
    kills: failed.length,
    failedInAll: failed.reduce((sum, each) => sum + each, 0),
    mostFailed: Math.max(...failed),
    lastFailedMs: lastMs.length === 0 ? undefined : { p50: spreadOf(lastMs).median, most: Math.max(...lastMs) },
  }));
}

/** Until every client calls the victim, and has done so for a moment. */
async function allReach(clients: Readonly<Record<string, Traffic>>): Promise<void> {
  const reached = (): Promise<unknown> =>
    Promise.all(Object.values(clients).map((traffic) => traffic.next(({ servedBy }) => servedBy === VICTIM)));
  await reached();
  await pause(300);
  await reached();
}

export function formatLoss({ client, kills, failedInAll, mostFailed, lastFailedMs }: Loss): string {
  const last =
    lastFailedMs === undefined
      ? 'none failed'
      : `last failed after p50 ${lastFailedMs.p50.toFixed(1)} ms, most ${lastFailedMs.most.toFixed(1)} ms`;
  return `  ${client.padEnd(34)}${(failedInAll / kills).toFixed(2).padStart(6)} calls lost a kill (most ${mostFailed})  ${last}`;
}
