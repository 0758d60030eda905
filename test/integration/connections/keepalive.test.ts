import { constants } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { createGraylane, type Logger } from '../../../src/index';
import { closeAfterEach } from '../../support/closers';
import { type HeldCall, heldClient, holdCall, KINDS } from './held-calls-server';
import { type Http2Peer, type Http2PeerOptions, startHttp2Peer } from './http2-peer';

const RESOURCE_EXHAUSTED = 8;
const PING = { 'grpc.keepalive_time_ms': 60 };

const closing = closeAfterEach();

interface World {
  readonly peer: Http2Peer;
  readonly warnings: readonly string[];
  /** Whether the one endpoint was charged with a failure: it gets its breaker then. */
  hasFailed(): boolean;
  hold(): Promise<readonly HeldCall[]>;
}

async function open(peerOptions: Http2PeerOptions, options: Record<string, number>): Promise<World> {
  const peer = closing(await startHttp2Peer(peerOptions), (one) => one.close());
  const warnings: string[] = [];
  const quiet = (): void => {};
  const logger: Logger = { debug: quiet, info: quiet, error: quiet, warn: (message) => warnings.push(message) };
  const graylane = closing(
    createGraylane({
      instances: { held: [peer.instance] },
      policies: { held: { schema: 1, service: 'held', retry: 'off', breaker: { consecutiveFailures: 1 } } },
      logger,
    }),
    (one) => one.close(),
  );
  const client = closing(heldClient(graylane.target('held'), graylane.clientOptions(options)), (one) => one.close());
  return {
    peer,
    warnings,
    hasFailed: () => graylane.inspect().services[0]?.breakers.length !== 0,
    hold: async () => {
      const calls = KINDS.map((kind) => holdCall(client, kind));
      if (peerOptions.resetWith === undefined) await expect.poll(() => peer.open).toBe(KINDS.length);
      return calls;
    },
  };
}

describe('a server that enforces keepalive as grpc-go, grpc-java and C-core do', () => {
  it('ends the calls of who pings too often: no fault of the endpoint, told once with the cure', async () => {
    const { peer, hold, hasFailed, warnings } = await open({ isHolding: true }, PING);
    for (let round = 1; round <= 2; round += 1) {
      for (const { ended } of await hold()) expect((await ended).code).toBe(RESOURCE_EXHAUSTED);
      expect(peer.calmed).toBe(round);
    }
    expect(hasFailed()).toBe(false);
    expect(warnings).toEqual([expect.stringMatching(/ENHANCE_YOUR_CALM.*grpc\.keepalive_time_ms to 300000/)]);
  });

  it('loses its patience only with pings: what ends so without any is a failure', async () => {
    const calm = (session: { goaway(code: number): void; destroy(): void }): void => {
      setTimeout(() => session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM), 100);
    };
    const { hold, hasFailed, warnings } = await open({ isHolding: true, session: calm }, {});
    for (const { ended } of await hold()) expect((await ended).code).toBe(RESOURCE_EXHAUSTED);
    expect(hasFailed()).toBe(true);
    expect(warnings).toEqual([]);
  });

  it('may reset single calls with the same code: a failure, whether there are pings or not', async () => {
    for (const options of [{}, { 'grpc.keepalive_time_ms': 60_000 }]) {
      const world = await open({ resetWith: constants.NGHTTP2_ENHANCE_YOUR_CALM }, options);
      for (const { ended } of await world.hold()) expect((await ended).code).toBe(RESOURCE_EXHAUSTED);
      expect(world.hasFailed()).toBe(true);
      expect(world.warnings).toEqual([]);
    }
  });
});
