import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/base/clock';
import { systemRandom } from '../../../src/base/random';
import { announcementKey, encodeAnnouncement } from '../../../src/base/rollout-metrics';
import { type CurrentAnnouncement, watchAnnouncement } from '../../../src/client/rollout-metrics/announcement-watch';
import { createConsulClient } from '../../../src/consul/client';
import { parseConsulOptions } from '../../../src/consul/options';
import { pause } from '../../support/closers';
import { startRecordingProxy } from '../../support/consul/recording-proxy';
import { type ConsulCluster, type ConsulDatacenter, startConsul } from '../../support/consul/start';
import { printFigure } from '../../support/figure';

const CLIENTS = 50;
let cluster: ConsulCluster;
let agent: ConsulDatacenter;

beforeAll(async () => {
  cluster = await startConsul({ acl: true, config: { limits: { http_max_conns_per_client: 500 } } });
  agent = cluster.dc('dc1');
});
afterAll(() => cluster.stop());

function announced(id: string): string {
  const window = { id, canary: 'canary', stable: 'stable', everyMs: 5000 };
  return encodeAnnouncement({ url: 'http://127.0.0.1:1', key: 'k'.repeat(32), window });
}

async function session(): Promise<string> {
  const made = await agent.request('PUT', '/v1/session/create', { TTL: '60s', LockDelay: '0s' });
  return ((await made.json()) as { readonly ID: string }).ID;
}

async function announce(service: string, id: string, by: string): Promise<void> {
  await agent.putKv(`${announcementKey(service)}?acquire=${by}`, announced(id));
}

interface Watching {
  readonly heard: (CurrentAnnouncement | undefined)[];
  readonly logged: readonly string[];
}

function watch(service: string, settings: { readonly address?: string; readonly token?: string } = {}): Watching {
  const { address = agent.address, token = agent.token ?? '' } = settings;
  const client = createConsulClient(parseConsulOptions({ address, token }, {}), { clock: systemClock });
  const heard: (CurrentAnnouncement | undefined)[] = [];
  const logged: string[] = [];
  const log = (message: string, fields?: object): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const deps = { client, clock: systemClock, random: systemRandom };
  const logger = { debug: log, info: log, warn: log, error: log };
  const query = watchAnnouncement({ service, datacenter: undefined }, (each) => void heard.push(each), {
    ...deps,
    logger,
  });
  onTestFinished(() => {
    query.close();
    client.close();
  });
  return { heard, logged };
}

describe('a watch of the announcement', () => {
  it('hears that there is none, of one, of each change, and that its controller has gone', async () => {
    const { heard, logged } = watch('payments');
    await expect.poll(() => heard).toEqual([undefined]);
    const by = await session();
    await announce('payments', 'r1/1', by);
    await expect.poll(() => heard[1]).toMatchObject({ isHeld: true, announcement: { window: { id: 'r1/1' } } });
    await announce('payments', 'r1/2', by);
    await expect.poll(() => heard[2]).toMatchObject({ isHeld: true, announcement: { window: { id: 'r1/2' } } });
    await agent.request('PUT', `/v1/session/destroy/${by}`);
    await expect.poll(() => heard[3]).toMatchObject({ isHeld: false, announcement: { window: { id: 'r1/2' } } });
    // The same again by another controller is a change, too.
    await announce('payments', 'r1/2', await session());
    await expect.poll(() => heard[4]).toMatchObject({ isHeld: true, announcement: { window: { id: 'r1/2' } } });
    await agent.deleteKv(announcementKey('payments'));
    await expect.poll(() => heard.length).toBe(6);
    expect(heard[5]).toBeUndefined();
    expect(logged).toEqual([]);
  });

  it('keeps what it knows when the next makes no sense, and says so once, without the key', async () => {
    const { heard, logged } = watch('garbled');
    const by = await session();
    await announce('garbled', 'r1/1', by);
    await expect.poll(() => heard.at(-1)).toMatchObject({ isHeld: true });
    const before = heard.length;
    for (const url of ['ftp://x', 'file:///x']) {
      const bad = JSON.stringify({ ...JSON.parse(announced('r1/2')), url, key: 'a-key-that-nobody-shows' });
      await agent.putKv(`${announcementKey('garbled')}?acquire=${by}`, bad);
      await pause(100);
    }
    await expect.poll(() => logged).toEqual([expect.stringContaining('"reason":"url: unusable')]);
    expect(logged.join()).not.toContain('a-key-that-nobody-shows');
    expect(heard).toHaveLength(before);
    await announce('garbled', 'r1/3', by);
    await expect.poll(() => heard.at(-1)).toMatchObject({ announcement: { window: { id: 'r1/3' } } });
  });

  it('without the right to read it says so once, and hears of it when it has got the right', async () => {
    const { accessor, secret } = await agent.createToken('key "graylane/policies/secret" { policy = "read" }');
    await announce('secret', 'r1/1', await session());
    const { heard, logged } = watch('secret', { token: secret });
    await expect.poll(() => logged.length).toBe(1);
    await pause(1500);
    expect(logged).toEqual([expect.stringMatching(/cannot be read .*"reason":"HTTP 403: /)]);
    expect(logged.join()).not.toContain(secret);
    expect(heard).toEqual([]);
    const rules = 'key "graylane/rollouts/secret/collector" { policy = "read" }';
    const made = await agent.request('PUT', '/v1/acl/policy', { Name: 'late', Rules: rules });
    const { ID } = (await made.json()) as { readonly ID: string };
    await agent.request('PUT', `/v1/acl/token/${accessor}`, { AccessorID: accessor, Policies: [{ ID }] });
    await expect.poll(() => heard, { timeout: 15_000 }).toMatchObject([{ isHeld: true }]);
  });

  it('of a key that is absent rests between wakings in vain, however much else is written to KV', async () => {
    const proxy = await startRecordingProxy(agent.address);
    onTestFinished(() => proxy.stop());
    const { heard } = watch('absent', { address: proxy.address });
    await expect.poll(() => heard).toEqual([undefined]);
    const writing = setInterval(() => void agent.putKv('graylane/rollouts/another', String(Math.random())), 10);
    onTestFinished(() => clearInterval(writing));
    await pause(4000);
    clearInterval(writing);
    // Woken 400 times; without the rests it would ask at the most that a query may: 4 and then 7 a second.
    expect(proxy.paths.length).toBeLessThan(15);
    // Newer Consul does not wake it: the first read, and the query that waits.
    expect(proxy.paths.length).toBeGreaterThanOrEqual(2);
  });

  it(`is heard by ${CLIENTS} clients within a second`, async () => {
    const watches = Array.from({ length: CLIENTS }, () => watch('many'));
    const by = await session();
    await announce('many', 'r0/0', by);
    const heardAt: number[] = [];
    for (const { heard } of watches) await expect.poll(() => heard.at(-1)?.isHeld, { timeout: 10_000 }).toBe(true);
    const took: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      heardAt.length = 0;
      for (const { heard } of watches) {
        heard.push = (each) => {
          if (each?.announcement.window?.id === `r1/${round}`) heardAt.push(performance.now());
          return Array.prototype.push.call(heard, each);
        };
      }
      // A query may read four times in a burst, and then five times a second.
      await pause(300);
      const begun = performance.now();
      await announce('many', `r1/${round}`, by);
      await expect.poll(() => heardAt.length, { interval: 5, timeout: 5000 }).toBe(CLIENTS);
      took.push(...heardAt.map((at) => at - begun));
    }
    const { most } = printFigure(`an announcement is written, ${CLIENTS} clients count`, took);
    expect(most).toBeLessThan(3000);
  });
});
