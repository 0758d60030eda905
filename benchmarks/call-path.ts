import * as grpc from '@grpc/grpc-js';
import { createGraylane } from '../src/index';
import type { BenchmarkCase } from './harness';

const METHOD = '/shop.v1.Payments/Charge';
const ENDPOINTS = 10;
const { READY } = grpc.connectivityState;

/** What a channel of grpc-js does for a call before it goes out; not exported. */
interface InternalChannel {
  getConfig(method: string, metadata: grpc.Metadata): { readonly config?: { readonly pickInformation: object } };
  doPick(metadata: grpc.Metadata, pickInformation: object): grpc.experimental.PickResult;
}

export interface CallPathBench {
  readonly cases: readonly BenchmarkCase[];
  close(): Promise<void>;
}

/**
 * Everything between a call's start and its first byte, over connections to real servers: the config selector (here the
 * decision), the pick, and the accounts that are kept of an attempt. Beside it a channel of grpc-js with round_robin.
 */
export async function openCallPath(): Promise<CallPathBench> {
  const server = new grpc.Server();
  const ports = await Promise.all(Array.from({ length: ENDPOINTS }, () => bind(server)));
  const instances = ports.map((port) => ({ address: '127.0.0.1', port, tags: ['stable'] }));
  const graylane = createGraylane({
    instances: { payments: instances },
    policies: {
      payments: {
        schema: 1,
        service: 'payments',
        subsets: { stable: { tags: ['stable'] }, canary: { tags: ['canary'], fallback: 'stable' } },
        default: 'stable',
        routes: [
          { name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' },
          { name: 'everyone', split: [{ to: 'stable', weight: 1 }], stickBy: 'x-user-id' },
        ],
      },
    },
  });
  // A bare target, so that grpc-js' own channel can be looked into; it finds the Graylane client by being the only one.
  const insecure = grpc.credentials.createInsecure();
  const ours = new grpc.Channel('static:///payments', insecure, {});
  const theirs = new grpc.Channel(`ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`, insecure, {
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }], methodConfig: [] }),
  });
  await Promise.all([connected(ours), connected(theirs)]);
  const group = `a call's way to its endpoint, ${ENDPOINTS} endpoints`;
  const cases = [
    { group, name: 'grpc-js round_robin', run: theirRunner(internals(theirs)) },
    { group, name: 'graylane: decide, pick, account', run: ourRunner(internals(ours)) },
  ];
  // Longer than a pick to be compiled for good: more functions take part.
  for (const { run } of cases) run(50_000);
  return {
    cases,
    async close() {
      ours.close();
      theirs.close();
      await graylane.close();
      server.forceShutdown();
    },
  };
}

function bind(server: grpc.Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

async function connected(channel: grpc.Channel): Promise<void> {
  while (channel.getConnectivityState(true) !== READY) await new Promise((resolve) => setTimeout(resolve, 5));
  // All of them: READY comes with the first.
  await new Promise((resolve) => setTimeout(resolve, 300));
}

function internals(channel: grpc.Channel): InternalChannel {
  return (channel as unknown as { internalChannel: InternalChannel }).internalChannel;
}

function userMetadata(): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set('x-user-id', 'u-42');
  return metadata;
}

function theirRunner(channel: InternalChannel): (count: number) => unknown {
  const metadata = userMetadata();
  return (count) => {
    let last: unknown;
    for (let made = 0; made < count; made += 1) {
      last = channel.doPick(metadata, channel.getConfig(METHOD, metadata).config?.pickInformation ?? {});
    }
    return last;
  };
}

function ourRunner(channel: InternalChannel): (count: number) => unknown {
  const metadata = userMetadata();
  const status = { code: 0, details: '', metadata, rstCode: 0 };
  return (count) => {
    let last: unknown;
    for (let made = 0; made < count; made += 1) {
      const result = channel.doPick(metadata, channel.getConfig(METHOD, metadata).config?.pickInformation ?? {});
      // The attempt's own end, both halves, so that it goes back to its pool as it does after a call.
      result.onCallStarted?.();
      const attempt = result.subchannel?.getRealSubchannel() as unknown as { onReceiveStatus(end: object): void };
      attempt.onReceiveStatus(status);
      result.onCallEnded?.(0, '', metadata);
      last = result;
    }
    return last;
  };
}
