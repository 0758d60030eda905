import * as grpc from '@grpc/grpc-js';
import { beforeEach, describe, expect, it } from 'vitest';
import { createSubchannelSharer } from '../../../src/client/balancer/group-subchannels';
import type { ConnectivityStateListener, SubchannelInterface } from '../../../src/client/grpc/grpc-js';
import {
  createGraylane,
  type Graylane,
  type GraylaneOptions,
  type PolicyDocument,
  type StaticInstance,
} from '../../../src/index';
import { channelzOf } from '../../support/channelz';
import { closeAfterEach } from '../../support/closers';
import { GRAY } from '../../support/gray-policy';
import {
  type ChargeReply,
  charge,
  type PaymentsClient,
  type PaymentsServer,
  paymentsClient,
  startPaymentsServer,
} from '../../support/payments';
import { untilConnected } from '../../support/until-ready';

const closing = closeAfterEach();
const insecure = grpc.credentials.createInsecure();
let servers: PaymentsServer[];

beforeEach(async () => {
  servers = [];
  for (const name of ['a', 'b']) {
    servers.push(closing(await startPaymentsServer({ name }), (server) => server.kill()));
  }
});

function instances(...of: readonly PaymentsServer[]): StaticInstance[] {
  return of.map(({ name, host, port }) => ({ id: name, address: host, port }));
}

function open(of: readonly PaymentsServer[] = servers, options: GraylaneOptions = {}): Graylane {
  const graylane = createGraylane({ instances: { payments: instances(...of) }, ...options });
  return closing(graylane, (opened) => opened.close());
}

function client(graylane: Graylane, options: grpc.ClientOptions = {}, credentials = insecure): PaymentsClient {
  return closing(paymentsClient(graylane.target('payments'), graylane.clientOptions(options), credentials), (one) =>
    one.close(),
  );
}

function connectionsOf(graylane: Graylane): number[] {
  return graylane.inspect().services[0]?.endpoints.map(({ connections }) => connections.length) ?? [];
}

describe('channels of one service', () => {
  const cases: {
    readonly name: string;
    readonly second?: grpc.ClientOptions;
    readonly credentials?: () => grpc.ChannelCredentials;
    readonly groups: number;
  }[] = [
    { name: 'are equal', groups: 1 },
    {
      name: 'have credentials that are equal, though made twice',
      credentials: grpc.credentials.createInsecure,
      groups: 1,
    },
    { name: 'differ in an option', second: { 'grpc.max_send_message_length': 5_000 }, groups: 2 },
    { name: 'differ in an option that graylane fixes', second: { 'grpc.enable_http_proxy': 1 }, groups: 1 },
    { name: 'differ in what only clients take', second: { interceptors: [] }, groups: 1 },
    { name: 'keep a pool to themselves', second: { 'grpc.use_local_subchannel_pool': 1 }, groups: 2 },
    {
      name: 'differ in credentials',
      credentials: () => grpc.credentials.createSsl(null, null, null, { checkServerIdentity: () => undefined }),
      groups: 2,
    },
  ];
  for (const { name, second, credentials, groups } of cases) {
    it(`that ${name} have ${groups === 1 ? 'one connection' : 'a connection each'} to an instance`, async () => {
      const graylane = open([servers[0] as PaymentsServer]);
      await charge(client(graylane));
      client(graylane, second, credentials?.() ?? insecure)
        .getChannel()
        .getConnectivityState(true);
      await charge(client(graylane));
      await expect.poll(() => connectionsOf(graylane)).toEqual([groups]);
      if (credentials === undefined) expect(servers[0]?.sessions.opened).toBe(groups);
    });
  }

  it('of two keep to themselves what each has in a pool of its own', async () => {
    const graylane = open([servers[0] as PaymentsServer]);
    const own = { 'grpc.use_local_subchannel_pool': 1 };
    for (const one of [client(graylane, own), client(graylane, own)]) await charge(one);
    expect(servers[0]?.sessions.opened).toBe(2);
  });

  it('keep their connection when the one that opened it is closed, and connect to whoever comes then', async () => {
    const [first, second] = servers as [PaymentsServer, PaymentsServer];
    const graylane = open([first]);
    const opener = client(graylane);
    await charge(opener);
    const other = client(graylane);
    await charge(other);
    opener.close();
    for (let call = 0; call < 5; call += 1) expect((await charge(other)).servedBy).toBe('a');
    expect(first.sessions).toMatchObject({ opened: 1, open: 1 });
    graylane.setInstances('payments', instances(second));
    await expect.poll(async () => (await charge(other)).servedBy).toBe('b');
  });

  it('begin again after all of them were closed, or were idle', async () => {
    const graylane = open();
    const idle = { 'grpc.client_idle_timeout_ms': 1_000 };
    const [one, two] = [client(graylane, idle), client(graylane, idle)];
    for (const each of [one, two]) await charge(each);
    await expect.poll(() => connectionsOf(graylane), { timeout: 5_000 }).toEqual([0, 0]);
    expect(one.getChannel().getConnectivityState(false)).toBe(grpc.connectivityState.IDLE);
    for (const each of [one, two]) await charge(each);
    expect(connectionsOf(graylane)).toEqual([1, 1]);
    one.close();
    two.close();
    expect(connectionsOf(graylane)).toEqual([0, 0]);
    await charge(client(graylane, idle));
    expect(connectionsOf(graylane)).toEqual([1, 1]);
  });

  it('are told of a change only where their state changes or a call waits', async () => {
    const [first, second] = servers as [PaymentsServer, PaymentsServer];
    const graylane = open();
    const clients = Array.from({ length: 5 }, () => client(graylane));
    for (const each of clients) await charge(each);
    await untilConnected(graylane);
    const events = (): (number | undefined)[] => clients.map((each) => channelzOf(each.getChannel())?.events);
    const before = events();
    graylane.setInstances('payments', instances(first));
    // Picks know it at once.
    for (const each of clients) expect((await charge(each)).servedBy).toBe('a');
    graylane.setInstances('payments', instances(first, second));
    const served = async (): Promise<boolean> => (await charge(clients[4] as PaymentsClient)).servedBy === 'b';
    await expect.poll(served).toBe(true);
    // The first channel opens the connection, which its own trace tells.
    expect(events().slice(1)).toEqual(before.slice(1));
    graylane.setInstances('payments', []);
    const states = (): (string | undefined)[] => clients.map((each) => channelzOf(each.getChannel())?.state);
    await expect.poll(states).toEqual(clients.map(() => 'TRANSIENT_FAILURE'));
  });

  it('have a call that waits for its subset answered when somebody comes there, while others are served', async () => {
    const [first, second] = servers as [PaymentsServer, PaymentsServer];
    const tagged = (of: PaymentsServer, tag: string): StaticInstance => ({
      address: of.host,
      port: of.port,
      tags: [tag],
    });
    const policy: PolicyDocument = {
      ...GRAY,
      routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
    };
    const instance = tagged(first, 'stable');
    const graylane = open([], { instances: { payments: [instance] }, policies: { payments: policy } });
    const [one, two] = [client(graylane), client(graylane)];
    for (const each of [one, two]) expect((await charge(each)).servedBy).toBe('a');
    const gray = new grpc.Metadata({ waitForReady: true });
    gray.set('x-gray', 'canary');
    const answers = [one, two].map(
      (each) =>
        new Promise<string>((resolve, reject) =>
          each.charge({}, gray, { deadline: Date.now() + 10_000 }, (error, reply) =>
            error === null ? resolve(reply.servedBy) : reject(error),
          ),
        ),
    );
    // Served after those that wait have been picked once.
    for (const each of [one, two]) expect((await charge(each)).servedBy).toBe('a');
    graylane.setInstances('payments', [instance, tagged(second, 'canary')]);
    expect(await Promise.all(answers)).toEqual(['b', 'b']);
  });

  it.each([
    ['nothing is known', undefined],
    ['nobody is usable', []],
  ])('have each call that waits answered when somebody comes, where before %s', async (_what, known) => {
    const first = servers[0] as PaymentsServer;
    const graylane = createGraylane({ instances: known === undefined ? {} : { payments: known } });
    closing(graylane, (opened) => opened.close());
    const clients = Array.from({ length: 3 }, () => client(graylane));
    const metadata = new grpc.Metadata({ waitForReady: true });
    const answers: Promise<string>[] = clients.flatMap((each) => [
      new Promise<ChargeReply>((resolve, reject) =>
        each.charge({}, metadata, { deadline: Date.now() + 10_000 }, (error, reply) =>
          error === null ? resolve(reply) : reject(error),
        ),
      ).then(({ servedBy }) => servedBy),
      new Promise<string>((resolve, reject) => {
        const stream = each.watch({ count: 1 }, metadata, { deadline: Date.now() + 10_000 });
        stream.once('data', (reply: ChargeReply) => resolve(reply.servedBy)).once('error', reject);
      }),
    ]);
    await expect.poll(() => graylane.inspect().services[0]?.endpoints.length ?? clients.length).toBe(0);
    graylane.setInstances('payments', instances(first));
    expect(await Promise.all(answers)).toEqual(answers.map(() => 'a'));
  });
});

describe('channelz', () => {
  it('lists the subchannels of each channel, as long as the channel uses them', async () => {
    const [first, second] = servers as [PaymentsServer, PaymentsServer];
    const graylane = open();
    const addresses = servers.map(({ host, port }) => `${host}:${port}`).sort();
    const idle = { 'grpc.client_idle_timeout_ms': 1_000 };
    const [one, two] = [client(graylane, idle), client(graylane, idle)];
    const listed = (of: PaymentsClient): string[] | undefined => channelzOf(of.getChannel())?.subchannels.toSorted();
    for (const each of [one, two]) await charge(each);
    expect([listed(one), listed(two)]).toEqual([addresses, addresses]);
    graylane.setInstances('payments', instances(second));
    await expect.poll(() => listed(two)).toEqual([`${second.host}:${second.port}`]);
    expect(listed(one)).toEqual(listed(two));
    one.close();
    await charge(two);
    expect(listed(two)).toEqual([`${second.host}:${second.port}`]);
    graylane.setInstances('payments', instances(first, second));
    await expect.poll(() => listed(two)).toEqual(addresses);
    await expect.poll(() => listed(two), { timeout: 5_000 }).toEqual([]);
  });

  it('lists nothing of a channel that wants none of it', async () => {
    const graylane = open();
    const silent = client(graylane, { 'grpc.enable_channelz': 0 });
    await charge(silent);
    expect(channelzOf(silent.getChannel())).toBeUndefined();
  });
});

describe('a shared subchannel', () => {
  it("tells its owner of its first and last reference, and of a server's complaint of pings in between", () => {
    const listeners = new Set<ConnectivityStateListener>();
    let references = 0;
    const real = {
      ref: () => {
        references += 1;
      },
      unref: () => {
        references -= 1;
      },
      addConnectivityStateListener: (listener: ConnectivityStateListener) => listeners.add(listener),
      removeConnectivityStateListener: (listener: ConnectivityStateListener) => listeners.delete(listener),
      addHealthStateWatcher() {},
    } as unknown as SubchannelInterface;
    const heard: unknown[] = [];
    const shared = createSubchannelSharer(grpc)(real, {
      opened: () => heard.push('opened'),
      released: () => heard.push('released'),
      keepaliveThrottled: (keepaliveMs) => heard.push(keepaliveMs),
    });
    shared.ref();
    shared.ref();
    for (const listener of listeners) listener(real, 0, 1, 20_000);
    shared.unref();
    expect(heard).toEqual(['opened', 20_000]);
    shared.unref();
    expect(heard).toEqual(['opened', 20_000, 'released']);
    expect([references, listeners.size]).toEqual([0, 0]);
  });
});
