import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { ScriptedPeer, scriptTransports } from './scripted-transports';

// Ours and grpc-js' own policies are led through the same states of the same number of endpoints, without sockets, and get calls
// in each turn after each change. No call may fail where grpc-js makes it.

const BACKOFF = { 'grpc.initial_reconnect_backoff_ms': 1, 'grpc.max_reconnect_backoff_ms': 1 };
const IDENTITY = (bytes: Buffer): Buffer => bytes;

type Policy = Omit<PolicyDocument, 'schema' | 'service'>;

interface Contender {
  readonly client: grpc.Client;
  readonly peers: readonly ScriptedPeer[];
  readonly metadata: () => grpc.Metadata;
  readonly around: <T>(run: () => T) => T;
}

interface World {
  readonly ours: Contender;
  readonly plain: Contender;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

let nextPort = 1_000;

function peersOf(count: number, all: Map<number, ScriptedPeer>): readonly (readonly [number, ScriptedPeer])[] {
  return Array.from({ length: count }, () => {
    nextPort += 1;
    const peer = new ScriptedPeer();
    all.set(nextPort, peer);
    return [nextPort, peer] as const;
  });
}

interface Way {
  readonly policy?: Policy;
  readonly options?: grpc.ClientOptions;
  /** Wait for ready. */
  readonly waits?: boolean;
  readonly plainPolicy?: 'pick_first' | 'round_robin';
  /** One more instance, tagged stable, that is always connected. */
  readonly hasStable?: boolean;
  readonly isForced?: boolean;
}

async function open(count: number, way: Way): Promise<World> {
  const all = new Map<number, ScriptedPeer>();
  closers.push(scriptTransports(all));
  const own = peersOf(count, all);
  const theirs = peersOf(count, all);
  const stable = way.hasStable === true ? peersOf(1, all) : [];
  const graylane = createGraylane({
    instances: {
      p: [
        ...own.map(([port]) => ({ address: '127.0.0.1', port, tags: ['canary'] })),
        ...stable.map(([port]) => ({ address: '127.0.0.1', port, tags: ['stable'] })),
      ],
    },
    policies: { p: { schema: 1, service: 'p', retry: 'off', balancing: { algorithm: 'round_robin' }, ...way.policy } },
  });
  closers.push(() => graylane.close());
  const insecure = grpc.credentials.createInsecure();
  const options = { ...BACKOFF, ...way.options };
  const client = new grpc.Client(graylane.target('p'), insecure, graylane.clientOptions(options));
  const plain = new grpc.Client(`ipv4:${theirs.map(([port]) => `127.0.0.1:${port}`).join(',')}`, insecure, {
    ...options,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ [way.plainPolicy ?? 'round_robin']: {} }] }),
  });
  closers.push(
    () => client.close(),
    () => plain.close(),
  );
  const metadata = (): grpc.Metadata => {
    const made = new grpc.Metadata();
    if (way.waits === true) made.setOptions({ waitForReady: true });
    return made;
  };
  const force = { endpoint: `127.0.0.1:${own[0]?.[0]}` };
  const forced = <T>(run: () => T): T => graylane.with({ force }, run);
  const peers = own.map(([, peer]) => peer);
  const world = {
    ours: { client, peers, metadata, around: way.isForced === true ? forced : (run) => run() },
    plain: { client: plain, peers: theirs.map(([, peer]) => peer), metadata, around: (run) => run() },
  } satisfies World;
  for (const each of [client, plain]) each.getChannel().getConnectivityState(true);
  for (const [, peer] of stable) {
    await until(() => peer.isDialled);
    peer.accept();
  }
  return world;
}

function call({ client, metadata, around }: Contender, deadlineMs: number): Promise<string> {
  return new Promise((resolve) =>
    around(() =>
      client.makeUnaryRequest(
        '/p.P/Call',
        IDENTITY,
        IDENTITY,
        Buffer.alloc(0),
        metadata(),
        { deadline: Date.now() + deadlineMs },
        (error) => resolve(error === null ? 'ok' : `${error.code} ${error.details}`),
      ),
    ),
  );
}

async function until(isSo: () => boolean): Promise<void> {
  const untilMs = performance.now() + 5_000;
  while (!isSo()) {
    if (performance.now() > untilMs) throw new Error('it was not so within 5 s');
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** `flap`: a connection that is lost before anything was answered. */
type Event = 'accept' | 'refuse' | 'lose' | 'flap';

/** Makes it so at the same endpoint of both, and calls both in each microtask and turn after it. */
async function step(world: World, at: number, event: Event, results: Promise<[string, string]>[]): Promise<void> {
  const peers = [world.ours.peers[at], world.plain.peers[at]] as [ScriptedPeer, ScriptedPeer];
  await until(() => peers.every((peer) => (event === 'lose' ? peer.isConnected : peer.isDialled)));
  if (event === 'flap') {
    for (const peer of peers) peer.accept();
    await until(() => peers.every((peer) => peer.isConnected));
    for (const peer of peers) peer.lose();
  } else {
    for (const peer of peers) peer[event]();
  }
  const both = (): void => {
    results.push(Promise.all([call(world.ours, 1_000), call(world.plain, 1_000)]));
  };
  for (let microtask = 0; microtask < 6; microtask += 1) {
    await Promise.resolve();
    both();
  }
  for (let nth = 0; nth < 3; nth += 1) {
    await new Promise<void>((resolve) => process.nextTick(resolve));
    both();
  }
  for (let nth = 0; nth < 3; nth += 1) {
    await turn();
    both();
  }
}

/** Calls that grpc-js made, or would still make, and that failed here. */
async function lostHere(results: readonly Promise<[string, string]>[]): Promise<string[]> {
  const ended = await Promise.all(results);
  return ended.filter(([ours, plain]) => ours !== 'ok' && plain === 'ok').map(([ours]) => ours);
}

const WAYS: readonly (readonly [string, number, Way])[] = [
  ['one instance, beside pick_first', 1, { plainPolicy: 'pick_first' }],
  ['one instance, beside round_robin', 1, {}],
  ['one instance, grpc.enable_retries 0', 1, { options: { 'grpc.enable_retries': 0 } }],
  ['one instance, waitForReady', 1, { waits: true }],
  ['one instance, forced', 1, { isForced: true }],
  ['one instance, with retries', 1, { policy: { retry: { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'] } } }],
  ['three instances', 3, {}],
  ['three instances, peak_ewma', 3, { policy: { balancing: { algorithm: 'peak_ewma' } } }],
  ['three instances, waitForReady', 3, { waits: true }],
  [
    'a canary of two without fallback beside stable',
    2,
    {
      hasStable: true,
      policy: {
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'] } },
        default: 'stable',
        routes: [{ name: 'all', to: 'canary' }],
      },
    },
  ],
];

describe('a call fails only where it fails on grpc-js', () => {
  for (const [name, count, way] of WAYS) {
    it(`${name}: first connection, reconnects, a fall and a return`, async () => {
      const world = await open(count, way);
      const results: Promise<[string, string]>[] = [];
      const all = async (event: Event): Promise<void> => {
        for (let at = 0; at < count; at += 1) await step(world, at, event, results);
      };
      await all('accept');
      for (let round = 0; round < 5; round += 1) {
        await all('lose');
        for (let flaps = 0; flaps < round; flaps += 1) await all('flap');
        await all('accept');
      }
      await all('lose');
      await all('refuse');
      await all('refuse');
      await all('accept');
      expect(await lostHere(results)).toEqual([]);
      const ended = await Promise.all(results);
      expect(ended.filter(([, plain]) => plain === 'ok').length).toBeGreaterThan(50);
    });
  }

  for (let seed = 1; seed <= 12; seed += 1) {
    it(`whatever happens to three instances in turn: seed ${seed}`, async () => {
      const world = await open(3, { waits: seed % 3 === 0 });
      const results: Promise<[string, string]>[] = [];
      let state = seed;
      const random = (below: number): number => {
        state = (state * 48_271) % 2_147_483_647;
        return state % below;
      };
      for (let nth = 0; nth < 30; nth += 1) {
        const at = random(3);
        const next = (['refuse', 'flap', 'accept', 'accept'] as const)[random(4)] ?? 'accept';
        const event = world.ours.peers[at]?.isConnected === true ? 'lose' : next;
        await step(world, at, event, results);
      }
      expect(await lostHere(results)).toEqual([]);
    });
  }
});

describe('a call forced to an instance whose connection is still to be opened', () => {
  it('waits for it', async () => {
    const all = new Map<number, ScriptedPeer>();
    closers.push(scriptTransports(all));
    const peers = peersOf(200, all);
    const instances = peers.map(([port]) => ({ address: '127.0.0.1', port }));
    const graylane = createGraylane({ instances: { p: instances } });
    closers.push(() => graylane.close());
    const insecure = grpc.credentials.createInsecure();
    const client = new grpc.Client(graylane.target('p'), insecure, graylane.clientOptions(BACKOFF));
    closers.push(() => client.close());
    const contender = { client, peers: [], metadata: () => new grpc.Metadata() };
    // Connections are opened in an order of their own: one of these comes last.
    const calls = peers.map(([port]) =>
      call({ ...contender, around: (run) => graylane.with({ force: { endpoint: `127.0.0.1:${port}` } }, run) }, 5_000),
    );
    for (const [, peer] of peers) {
      await until(() => peer.isDialled);
      peer.accept();
    }
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']));
  });
});
