import type { ConsulCluster } from '../../test/support/consul/start';
import { startServerProcess } from '../../test/support/server-process';
import { paymentsClient } from '../peers/payments';
import { loadPackage } from '../variants/package';
import type { Reaction } from './reaction';
import { pause, startTraffic } from './traffic';

const SERVICE = 'flipping-payments';
const FLIPPING = 'flipping';
const APART_MS = 300;

/** One of two instances is registered, becomes critical, passes again and is deregistered, again and again. */
export async function instancesChanged(consul: ConsulCluster, repetitions: number): Promise<readonly Reaction[]> {
  const dc = consul.dc('dc1');
  const servers = await startServerProcess({ names: ['steady', FLIPPING] });
  const register = async (name: string): Promise<void> => {
    const served = servers.instances.find((one) => one.name === name);
    if (served === undefined) throw new Error(`${name}: not served`);
    await dc.register({ name: SERVICE, id: name, address: served.host, port: served.port });
  };
  await register('steady');
  const graylane = loadPackage().createGraylane({
    consul: { address: dc.address },
    // In turn and at full share: a new instance has the next call or the one after it, so what shows is the reaction alone.
    policies: {
      [SERVICE]: { schema: 1, service: SERVICE, balancing: { algorithm: 'round_robin', slowStartMs: 0 } },
    },
  });
  const client = paymentsClient(graylane.target(SERVICE), graylane.clientOptions());
  await graylane.ready(SERVICE, { timeoutMs: 10_000 });
  const traffic = startTraffic({ client, everyMs: 2 });
  const registered: number[] = [];
  const critical: number[] = [];
  const passing: number[] = [];
  const deregistered: number[] = [];
  const untilCalled = async (change: () => Promise<void>): Promise<number> => {
    const changedAtMs = performance.now();
    const first = traffic.next(({ servedBy }) => servedBy === FLIPPING);
    await change();
    return (await first).endedAtMs - changedAtMs;
  };
  const untilLeft = async (change: () => Promise<void>): Promise<number> => {
    const changedAtMs = performance.now();
    await change();
    await pause(APART_MS);
    return Math.max(0, traffic.lastStartedAtMs(FLIPPING) - changedAtMs);
  };
  try {
    for (let flip = 0; flip < repetitions; flip += 1) {
      registered.push(await untilCalled(() => register(FLIPPING)));
      await pause(APART_MS);
      critical.push(await untilLeft(() => dc.setStatus(FLIPPING, 'critical')));
      passing.push(await untilCalled(() => dc.setStatus(FLIPPING, 'passing')));
      await pause(APART_MS);
      deregistered.push(await untilLeft(() => dc.deregister(FLIPPING)));
    }
  } finally {
    await traffic.stop();
    client.close();
    await graylane.close();
    await servers.kill();
  }
  const failures = traffic.takeFailures().length;
  if (failures > 0) throw new Error(`${failures} calls failed while instances came and went`);
  return [
    { what: 'instance registered -> first call to it answered', samplesMs: registered },
    { what: 'instance critical -> last call to it begun', samplesMs: critical },
    { what: 'instance passing again -> first call answered', samplesMs: passing },
    { what: 'instance deregistered -> last call to it begun', samplesMs: deregistered },
  ];
}
