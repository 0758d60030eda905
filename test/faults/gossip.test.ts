import { describe, expect, it } from 'vitest';
import { closeAfterEach, pause } from '../support/closers';
import { type ConsulDatacenter, startConsul } from '../support/consul/start';
import { printFact } from '../support/figure';
import { paymentsClient } from '../support/payments';
import { type ServedInstance, type ServerProcess, startServerProcess } from '../support/server-process';
import { untilConnected } from '../support/until-ready';
import { type LoadedGraylane, loadGraylane } from './fixtures/consul-load';
import { startedBetween, startLoad } from './fixtures/load';

const opened = closeAfterEach();

async function start(): Promise<ConsulDatacenter> {
  return opened(await startConsul(), (each) => each.stop()).dc('dc1');
}

async function serve(...names: string[]): Promise<ServerProcess> {
  return opened(await startServerProcess({ names }), (each) => each.kill());
}

/** Each on a node of its own, with the check that gossip keeps of a node and one of its own. */
async function put(
  dc1: ConsulDatacenter,
  { name, host, port }: ServedInstance,
  gossip: 'passing' | 'critical',
  more: readonly object[] = [],
): Promise<void> {
  const Node = `node-${name}`;
  await dc1.request('PUT', '/v1/catalog/register', {
    Node,
    Address: host,
    Service: { ID: name, Service: 'payments', Address: host, Port: port },
    Checks: [
      { Node, CheckID: 'serfHealth', Name: 'Serf Health Status', Status: gossip },
      { Node, CheckID: `service:${name}`, Name: 'own', ServiceID: name, Status: 'passing' },
      ...more,
    ],
  });
}

async function open(dc1: ConsulDatacenter, perSecond = 100): Promise<LoadedGraylane> {
  const running = await loadGraylane({ consul: { address: dc1.address }, datacenters: ['dc1'] }, perSecond);
  return opened(running, () => running.close());
}

const endpoints = ({ graylane }: LoadedGraylane) => graylane.inspect().services[0]?.endpoints ?? [];

describe('gossip that says nodes have failed', () => {
  it.each([
    ['all', 4],
    ['most', 3],
    ['one', 1],
  ])('%s of 4, whose instances answer: no call is lost, and all are called', async (_name, failing) => {
    const dc1 = await start();
    const { instances } = await serve('p1', 'p2', 'p3', 'p4');
    for (const each of instances) await put(dc1, each, 'passing');
    const running = await open(dc1);
    await untilConnected(running.graylane, 4);
    for (const each of instances.slice(0, failing)) await put(dc1, each, 'critical');
    await expect.poll(() => running.datacenter()?.nodesFailed).toBe(failing);
    await expect.poll(() => endpoints(running).some(({ isDoubted }) => isDoubted)).toBe(false);
    const fromMs = performance.now();
    const isCalled = (): number =>
      new Set(startedBetween(running.load.calls, fromMs, Number.POSITIVE_INFINITY).map(({ servedBy }) => servedBy))
        .size;
    await expect.poll(isCalled, { timeout: 5_000 }).toBe(4);
    // A process that starts meanwhile finds them, too.
    const late = await open(dc1, 20);
    await expect.poll(() => late.load.calls.length).toBeGreaterThan(5);
    for (const each of instances) await put(dc1, each, 'passing');
    await expect.poll(() => running.datacenter()?.nodesFailed).toBe(0);
    await Promise.all([running.load.stop(), late.load.stop()]);
    printFact(
      `serfHealth of ${failing} of 4 critical, all answer`,
      `${running.losses()}; started late: ${late.losses()}`,
    );
    expect(running.load.lost).toEqual([]);
    expect(late.load.lost).toEqual([]);
    expect(running.log.filter((line) => line.startsWith('warn Consul cannot reach nodes'))).not.toEqual([]);
    expect(running.log.filter((line) => line.startsWith('info Consul reaches the nodes'))).toHaveLength(1);
  });

  it('one that has really died takes no call from then on, and is back when it answers', async () => {
    const dc1 = await start();
    const victim = await serve('victim');
    const others = await serve('s1', 's2');
    const all = [...victim.instances, ...others.instances];
    for (const each of all) await put(dc1, each, 'passing');
    // Nothing is called, so that nothing but the gossip tells of its death.
    const running = await open(dc1, 0);
    await untilConnected(running.graylane, 3);
    victim.freeze();
    const [dead] = victim.instances as [ServedInstance];
    await put(dc1, dead, 'critical');
    const putAtMs = performance.now();
    await expect.poll(() => running.datacenter()?.nodesFailed, { interval: 2 }).toBe(1);
    const outAfterMs = performance.now() - putAtMs;
    const client = paymentsClient(running.graylane.target('payments'), running.graylane.clientOptions());
    const load = startLoad(client, 200, 1_000);
    await expect.poll(() => load.calls.length, { timeout: 10_000 }).toBeGreaterThan(400);
    const lost = load.lost.length;
    expect(endpoints(running).find(({ instance }) => instance === 'victim')).toMatchObject({ isDoubted: true });
    victim.thaw();
    await expect.poll(() => load.calls.some(({ servedBy }) => servedBy === 'victim'), { timeout: 10_000 }).toBe(true);
    await load.stop();
    client.close();
    printFact('serfHealth of one that is dead', `out ${Math.round(outAfterMs)} ms after the check, lost ${lost}`);
    expect(load.lost.map(({ error }) => error?.message)).toEqual([]);
  });

  it('maintenance of the node or of the service, and a check of its own, take out at once', async () => {
    const dc1 = await start();
    const { instances } = await serve('p1', 'p2', 'p3', 'p4');
    const [p1, p2, p3] = instances as [ServedInstance, ServedInstance, ServedInstance];
    for (const each of instances) await put(dc1, each, 'passing');
    const running = await open(dc1);
    const critical = (instance: ServedInstance, CheckID: string, more: object = {}): Promise<void> =>
      put(dc1, instance, 'critical', [
        { Node: `node-${instance.name}`, CheckID, Name: CheckID, Status: 'critical', ...more },
      ]);
    await critical(p1, '_node_maintenance');
    await critical(p2, '_service_maintenance:p2', { ServiceID: 'p2' });
    await critical(p3, 'disk');
    await expect.poll(() => running.datacenter()).toMatchObject({ critical: 3, nodesFailed: 0 });
    const fromMs = performance.now();
    await pause(300);
    await running.load.stop();
    const after = startedBetween(running.load.calls, fromMs, Number.POSITIVE_INFINITY);
    expect(new Set(after.map(({ servedBy }) => servedBy))).toEqual(new Set(['p4']));
    expect(running.load.lost).toEqual([]);
  });
});
