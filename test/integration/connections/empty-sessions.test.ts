import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { createAuthority } from '../../support/certificates';
import { closeAfterEach } from '../../support/closers';
import { printFact } from '../../support/figure';
import { sliceOf } from '../../support/slice';
import { heldClient, holdCall } from './held-calls-server';
import { type Http2Peer, type Http2PeerOptions, startHttp2Peer } from './http2-peer';

const WATCHED_MS = 2_000;
/** What 100 ms, growing by 1.6 to 500 ms, 20 % more or less, allows in that time: about seven. */
const MOST_DIALS = 12;
const BACKOFF = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500 };
/** A connection attempt that waits for its backoff does not come in this test's time. */
const NEVER = { 'grpc.initial_reconnect_backoff_ms': 600_000, 'grpc.max_reconnect_backoff_ms': 600_000 };

const closing = closeAfterEach();

const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const GOAWAY = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

interface Dialled {
  readonly instance: { readonly address: string; readonly port: number };
  readonly connections: number;
}

const authority = createAuthority();
const issued = authority.issue({ names: ['held'] });

async function rawPeer(onSocket: (socket: Socket) => void, isTls = false): Promise<Dialled> {
  let connections = 0;
  const made = isTls ? createTlsServer({ ...issued, ALPNProtocols: ['h2'] }) : createServer();
  const server = closing(made, (one: Server) => one.close());
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections += 1;
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    instance: { address: '127.0.0.1', port: (server.address() as AddressInfo).port },
    get connections() {
      return connections;
    },
  };
}

async function peerThat(session: Http2PeerOptions['session'], isTls = false): Promise<Http2Peer> {
  const options = { ...(session && { session }), ...(isTls && { tls: issued }) };
  return closing(await startHttp2Peer(options), (one) => one.close());
}

/** By what they do; those that begin with TLS use it. */
const ENDINGS: Readonly<Record<string, () => Promise<Dialled>>> = {
  'GOAWAY soon after the handshake': () =>
    peerThat((session) => session.once('remoteSettings', () => setTimeout(() => session.close(), 2))),
  'GOAWAY in one packet with SETTINGS': () =>
    rawPeer((socket) => socket.once('data', () => socket.end(Buffer.concat([SETTINGS, GOAWAY])))),
  'GOAWAY in one packet with SETTINGS, and the socket stays': () =>
    rawPeer((socket) => socket.once('data', () => socket.write(Buffer.concat([SETTINGS, GOAWAY])))),
  'the socket closed after the handshake': () => rawPeer((socket) => socket.once('data', () => socket.end(SETTINGS))),
  'the socket reset after the handshake': () =>
    peerThat((session) =>
      session.once('remoteSettings', () =>
        // The client may have ended it by then.
        setTimeout(() => session.destroyed || (session.socket as Socket).resetAndDestroy(), 2),
      ),
    ),
  'the socket closed before SETTINGS': () => rawPeer((socket) => socket.once('data', () => socket.destroy())),
  'TLS: the socket closed after its handshake': () => rawPeer((socket) => socket.destroy(), true),
  'TLS: GOAWAY soon after the handshake of HTTP/2': () =>
    peerThat((session) => session.once('remoteSettings', () => setTimeout(() => session.close(), 2)), true),
};

function open(instances: readonly Dialled[], options: Record<string, number>, isTls = false) {
  const graylane = closing(
    createGraylane({
      instances: { held: instances.map(({ instance }, at) => ({ ...instance, id: `i${at}` })) },
      policies: { held: { schema: 1, service: 'held', retry: 'off' } },
      connectTimeoutMs: 300,
    }),
    (one) => one.close(),
  );
  const credentials = isTls ? grpc.credentials.createSsl(Buffer.from(authority.ca)) : undefined;
  const client = closing(heldClient(graylane.target('held'), graylane.clientOptions(options), credentials), (one) =>
    one.close(),
  );
  client.getChannel().getConnectivityState(true);
  const endpoints = () =>
    [...(graylane.inspect().services[0]?.endpoints ?? [])].sort((a, b) => (a.instance < b.instance ? -1 : 1));
  return {
    graylane,
    call: async () => await holdCall(client, 'unary').ended,
    states: () => endpoints().map(({ connections }) => connections[0]),
    failures: () => endpoints().map(({ failure }) => failure),
  };
}

describe('a peer that ends each connection before it has answered anything', { timeout: 30_000 }, () => {
  for (const [ending, start] of sliceOf(Object.entries(ENDINGS), 3)) {
    it(`is dialled with a growing backoff, counts as failed, and costs no call: ${ending}`, async () => {
      const bad = [await start(), await start()];
      const isTls = ending.startsWith('TLS');
      const good = await peerThat(undefined, isTls);
      const { call, states, failures } = open([...bad, good], BACKOFF, isTls);
      await expect
        .poll(() => states(), { timeout: 10_000 })
        .toEqual(['transient-failure', 'transient-failure', 'ready']);
      const before = bad.map(({ connections }) => connections);
      const untilMs = performance.now() + WATCHED_MS;
      const lost: string[] = [];
      const seen = new Set<string | undefined>();
      let made = 0;
      while (performance.now() < untilMs) {
        const { code, details } = await call();
        made += 1;
        if (code !== 0) lost.push(details);
        for (const state of states().slice(0, 2)) seen.add(state);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const dials = bad.map(({ connections }, at) => connections - (before[at] ?? 0));
      printFact(`two of three end each connection: ${ending}`, `${lost.length} of ${made} lost, ${dials} dials in 2 s`);
      expect(lost).toEqual([]);
      expect([...seen]).toEqual(['transient-failure']);
      for (const count of dials) expect(count).toBeGreaterThan(1);
      for (const count of dials) expect(count).toBeLessThanOrEqual(MOST_DIALS);
      for (const failure of failures().slice(0, 2)) expect(failure).toBeTruthy();
    });
  }

  it('is told as the reason where nobody else is there', async () => {
    const bad = await peerThat((session) => session.once('remoteSettings', () => session.close()));
    const { call, states } = open([bad], NEVER);
    await expect.poll(() => states()).toEqual(['transient-failure']);
    expect(await call()).toMatchObject({
      code: 14,
      details: expect.stringMatching(
        /last failure: the peer ended the connection after \d+ ms without an answer, 2 times/,
      ),
    });
    expect(bad.connections).toBe(2);
  });

  it('is used again within its backoff once it is well', async () => {
    const peer = await peerThat((session) => session.once('remoteSettings', () => session.close()));
    const { call, states } = open([peer], BACKOFF);
    await expect.poll(() => peer.connections).toBeGreaterThan(4);
    peer.behave(undefined);
    const before = peer.connections;
    await expect.poll(() => states(), { timeout: 2_000 }).toEqual(['ready']);
    expect(peer.connections).toBe(before + 1);
    expect((await call()).code).toBe(0);
  });

  it('is dialled at once the first time, as by grpc-js: calls wait for it', async () => {
    let isFirst = true;
    const peer = await peerThat((session) => {
      if (isFirst) session.once('remoteSettings', () => session.close());
      isFirst = false;
    });
    const { call } = open([peer], NEVER);
    expect((await call()).code).toBe(0);
    await expect.poll(() => peer.connections).toBe(2);
    expect((await call()).code).toBe(0);
  });
});

describe('a server that renews its connections', () => {
  it('is dialled at once each time, as it has answered', async () => {
    const sessions: { close(): void }[] = [];
    const peer = await peerThat((session) => sessions.push(session));
    const { call } = open([peer], NEVER);
    for (let round = 1; round <= 8; round += 1) {
      expect((await call()).code).toBe(0);
      expect(peer.connections).toBe(round);
      sessions.pop()?.close();
      await expect.poll(() => peer.connections, { interval: 2 }).toBe(round + 1);
    }
  });
});
