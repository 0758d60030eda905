import * as grpc from '@grpc/grpc-js';
import { afterAll, describe, it } from 'vitest';
import { createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { watchCalm } from '../../support/calm';
import { pause } from '../../support/closers';
import { printFact, quantile } from '../../support/figure';
import {
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { startServerProcess } from '../../support/server-process';
import { heldClient, holdCall } from './held-calls-server';
import { startHttp2Peer } from './http2-peer';
import { type Nat, startNat } from './nat';

// The tests wait most of the time, each in a world of its own: several at once.
const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers.splice(0)) await close();
});

// What a busy machine takes is no part of the times that are held to a bar.
const calm = watchCalm();
closers.push(() => calm.stop());

/** Short, and not so short that a busy machine takes as long for an answer: set from some calls beside. */
let hurryMs = 80;

interface World {
  readonly graylane: Graylane;
  readonly client: PaymentsClient;
  readonly servers: readonly PaymentsServer[];
  readonly nats: readonly Nat[];
}

async function world(policy: Partial<PolicyDocument> = {}): Promise<World> {
  const servers = await Promise.all(['p1', 'p2', 'p3'].map((name) => startPaymentsServer({ name })));
  closers.push(...servers.map(({ kill }) => kill));
  const nats = await Promise.all(servers.map(({ port }) => startNat(port)));
  closers.push(...nats.map(({ close }) => close));
  const graylane = createGraylane({
    instances: { payments: nats.map(({ instance }) => instance) },
    policies: { payments: { schema: 1, service: 'payments', ...policy } },
  });
  closers.push(() => graylane.close());
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  closers.push(() => client.close());
  const took: number[] = [];
  for (let call = 0; call < 15; call += 1) {
    const atMs = performance.now();
    await charge(client);
    took.push(performance.now() - atMs);
  }
  hurryMs = Math.max(hurryMs, Math.min(400, 2 * quantile(took, 0.9)));
  return { graylane, client, servers, nats };
}

interface Call {
  readonly atMs: number;
  code: number | undefined;
}

/** One kind of load: a call that begins now, and tells its code when it has ended, or when its first message came. */
type Begin = (client: PaymentsClient, ended: (code: number) => void) => void;

const KINDS: Readonly<Record<string, Begin>> = {
  'unary calls': (client, ended) => unary(client, 2_000, ended),
  'unary calls in a hurry': (client, ended) => unary(client, hurryMs, ended),
  'streams only': (client, ended) => {
    const deadline = Date.now() + 2_000;
    const stream = client.watch({ count: 3, intervalMs: 5 }, new grpc.Metadata(), { deadline });
    stream.on('data', () => {});
    stream.on('error', () => {});
    stream.on('status', (status: grpc.StatusObject) => ended(status.code));
  },
};

function unary(client: PaymentsClient, withinMs: number, ended: (code: number) => void): void {
  client.charge({}, new grpc.Metadata(), { deadline: Date.now() + withinMs }, (error) =>
    ended(error === null ? 0 : error.code),
  );
}

/** Fifty calls a second until `stop`. */
function load(client: PaymentsClient, begin: Begin): { readonly calls: readonly Call[]; stop(): void } {
  const calls: Call[] = [];
  const timer = setInterval(() => {
    const call: Call = { atMs: performance.now(), code: undefined };
    calls.push(call);
    begin(client, (code) => {
      call.code = code;
    });
  }, 20);
  closers.push(() => clearInterval(timer));
  return { calls, stop: () => clearInterval(timer) };
}

/** From `sinceMs`: when the first call began after which 20 in a row were good. */
function goodAgainAfterMs(calls: readonly Call[], sinceMs: number): number | undefined {
  const later = calls.filter(({ atMs }) => atMs >= sinceMs);
  const at = later.findIndex((_, index) => {
    const row = later.slice(index, index + 20);
    return row.length === 20 && row.every(({ code }) => code === 0);
  });
  return at === -1 ? undefined : (later[at] as Call).atMs - sinceMs;
}

function sessionsOf(graylane: Graylane) {
  return graylane.inspect().services[0]?.endpoints.flatMap(({ sessions }) => sessions) ?? [];
}

describe.concurrent('connections that a NAT has forgotten', { timeout: 60_000 }, () => {
  it.for(Object.entries(KINDS))('all at once: good again over new ones: %s', async ([name, begin], { expect }) => {
    const { client, nats, graylane } = await world();
    const { calls, stop } = load(client, begin);
    await expect.poll(() => calls.filter(({ code }) => code === 0).length, { timeout: 10_000 }).toBeGreaterThan(60);
    const sinceMs = performance.now();
    for (const nat of nats) nat.forget();
    await expect.poll(() => goodAgainAfterMs(calls, sinceMs), { timeout: 15_000 }).toBeDefined();
    await pause(1_000);
    const goodAfterMs = goodAgainAfterMs(calls, sinceMs) as number;
    stop();
    printFact(`all connections forgotten, ${name}`, `good again after ${Math.round(goodAfterMs)} ms`);
    expect(calm.msBetween(sinceMs, sinceMs + goodAfterMs)).toBeLessThan(2_500);
    // One each beside the old one; another where a busy machine held up the handshake.
    for (const { opened } of nats) expect([2, 3]).toContain(opened);
    expect(sessionsOf(graylane).filter(({ isDraining }) => !isDraining)).toHaveLength(3);
  });

  it.for(Object.entries(KINDS))('of one instance: it is back soon: %s', async ([name, begin], { expect }) => {
    const { client, nats, servers } = await world();
    const { calls, stop } = load(client, begin);
    await expect.poll(() => calls.filter(({ code }) => code === 0).length, { timeout: 10_000 }).toBeGreaterThan(60);
    const sinceMs = performance.now();
    nats[0]?.forget();
    const before = servers[0]?.calls ?? 0;
    await expect.poll(() => servers[0]?.calls ?? 0, { timeout: 15_000, interval: 20 }).toBeGreaterThan(before + 10);
    const backAfterMs = performance.now() - sinceMs;
    await pause(2_100);
    stop();
    const lost = calls.filter(({ atMs, code }) => atMs >= sinceMs && code !== 0 && code !== undefined).length;
    printFact(`one instance's connection forgotten, ${name}`, `back after ${Math.round(backAfterMs)} ms, ${lost} lost`);
    // Also where what was lost took 80 ms in place of one: it is not held against the instance.
    expect(calm.msBetween(sinceMs, sinceMs + backAfterMs)).toBeLessThan(5_000);
    expect([2, 3]).toContain(nats[0]?.opened);
    expect(nats.slice(1).map(({ opened }) => opened)).toEqual([1, 1]);
  });

  it('calls that may run again do so at once, within the retry budget', async ({ expect }) => {
    const { client, nats } = await world({ retry: {} });
    const { calls, stop } = load(client, KINDS['unary calls'] as Begin);
    await expect.poll(() => calls.filter(({ code }) => code === 0).length, { timeout: 10_000 }).toBeGreaterThan(60);
    for (const nat of nats) nat.forget();
    await pause(3_000);
    stop();
    await expect.poll(() => calls.every(({ code }) => code !== undefined), { timeout: 5_000 }).toBe(true);
    const lost = calls.filter(({ code }) => code !== 0).length;
    printFact('all connections forgotten, retry on', `${lost} of ${calls.length} lost`);
    expect(lost).toBeLessThan(calls.length / 4);
  });
});

describe.concurrent('a connection that only looks silent', { timeout: 60_000 }, () => {
  it('stays where handlers hang: the peer answers a ping', async ({ expect }) => {
    const { client, nats, servers, graylane } = await world();
    const { calls, stop } = load(client, KINDS['unary calls'] as Begin);
    await expect.poll(() => calls.filter(({ code }) => code === 0).length, { timeout: 10_000 }).toBeGreaterThan(60);
    servers[0]?.behave({ delayMs: 60_000 });
    await expect
      .poll(() => graylane.inspect().services[0]?.endpoints.some(({ isSuspect }) => isSuspect), { timeout: 20_000 })
      .toBe(true);
    await pause(2_000);
    stop();
    expect(nats.map(({ opened }) => opened)).toEqual([1, 1, 1]);
  });

  it('is pinged once, however many quiet calls begin, and its server has nothing against that', async ({ expect }) => {
    const peer = await startHttp2Peer({ isHolding: true });
    closers.push(peer.close);
    const graylane = createGraylane({ instances: { held: [peer.instance] } });
    closers.push(() => graylane.close());
    const client = heldClient(graylane.target('held'), graylane.clientOptions());
    closers.push(() => client.close());
    for (let begun = 0; begun < 6; begun += 1) {
      holdCall(client, begun % 2 === 0 ? 'watch' : 'unary');
      await pause(700);
    }
    // The silent calls, and a health check that asks after them.
    expect(peer.open).toBeGreaterThanOrEqual(6);
    expect(peer).toMatchObject({ pings: 1, calmed: 0, connections: 1 });
  });

  it('stays where a stream is quiet', async ({ expect }) => {
    const { client, nats } = await world();
    for (let count = 0; count < 6; count += 1) {
      const stream = client.watch({ count: 2, intervalMs: 60_000 });
      stream.on('data', () => {});
      stream.on('error', () => {});
    }
    await pause(2_000);
    expect(nats.map(({ opened }) => opened)).toEqual([1, 1, 1]);
  });
});

describe.concurrent('a frozen process', { timeout: 90_000 }, () => {
  // A second connection is accepted by its kernel, and is not READY before it sends its HTTP/2 settings.
  it.for([
    [1, 2],
    [2, 0],
  ] as const)(
    '%i frozen beside %i: one connection each is dialled beside, and they serve soon after the thaw',
    async ([ill, well], { expect }) => {
      const frozen = await startServerProcess({ names: Array.from({ length: ill }, (_, index) => `f${index}`) });
      closers.push(frozen.kill);
      const others = well === 0 ? undefined : await startServerProcess({ names: ['w1', 'w2'] });
      if (others !== undefined) closers.push(others.kill);
      const nats = await Promise.all(frozen.instances.map(({ port }) => startNat(port)));
      closers.push(...nats.map(({ close }) => close));
      const instances = [...nats.map(({ instance }) => instance), ...(others?.instances ?? []).map(asInstance)];
      const graylane = createGraylane({ instances: { payments: instances } });
      closers.push(() => graylane.close());
      const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
      closers.push(() => client.close());
      const { calls, stop } = load(client, KINDS['unary calls'] as Begin);
      await expect.poll(() => calls.filter(({ code }) => code === 0).length, { timeout: 10_000 }).toBeGreaterThan(60);
      const sinceMs = performance.now();
      frozen.freeze();
      await pause(4_000);
      const inUse = sessionsOf(graylane).filter(({ isDraining }) => !isDraining);
      expect(inUse.filter(({ state }) => state === 'ready')).toHaveLength(instances.length);
      for (const { opened } of nats) expect([2, 3]).toContain(opened);
      frozen.thaw();
      const thawedAtMs = performance.now();
      // What came while it was frozen is served first.
      const before = (await frozen.calls())[0] ?? 0;
      await expect
        .poll(async () => (await frozen.calls())[0], { timeout: 30_000, interval: 50 })
        .toBeGreaterThan(before + 2);
      const servesAfterMs = performance.now() - thawedAtMs;
      stop();
      const lost = calls.filter(({ atMs, code }) => atMs >= sinceMs && code !== 0 && code !== undefined).length;
      printFact(
        `${ill} frozen for 4 s beside ${well}`,
        `${lost} lost, serves ${Math.round(servesAfterMs)} ms after the thaw`,
      );
      expect(calm.msBetween(thawedAtMs, thawedAtMs + servesAfterMs)).toBeLessThan(15_000);
      if (well > 0) expect(lost).toBeLessThan(15);
      await expect.poll(() => sessionsOf(graylane).length, { timeout: 5_000 }).toBe(instances.length);
    },
  );
});

function asInstance({ host, port }: { readonly host: string; readonly port: number }): Nat['instance'] {
  return { address: host, port };
}
