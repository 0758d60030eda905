import type { ChannelOptions, Metadata } from '@grpc/grpc-js';
import { answerParent, argumentOf } from './peer';

export interface DnsClientOptions {
  /** `dns://server/name:port` */
  readonly target: string;
  readonly everyMs: number;
}

/** By address: when the first and the last call that went there had begun. Epoch milliseconds, for another process to compare. */
export type CalledAddresses = Readonly<Record<string, { readonly firstMs: number; readonly lastMs: number }>>;

// grpc-js reads it as it is loaded: with it, a name is asked of the server that the target names, not of the system's.
process.env['GRPC_NODE_USE_ALTERNATIVE_RESOLVER'] = 'true';
const grpc = require('@grpc/grpc-js') as typeof import('@grpc/grpc-js');
const { paymentsClient } = require('./payments') as typeof import('./payments');

const { target, everyMs } = argumentOf<DnsClientOptions>();
const options: ChannelOptions = {
  'grpc.enable_http_proxy': 0,
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
};
const client = paymentsClient(target, options);
const called: Record<string, { firstMs: number; lastMs: number }> = {};
let failed = 0;

setInterval(() => {
  const startedAtMs = performance.timeOrigin + performance.now();
  const metadata: Metadata = new grpc.Metadata();
  const call = client.charge({ order: 'o-1' }, metadata, { deadline: Date.now() + 5_000 }, (error) => {
    if (error !== null) failed += 1;
    else {
      const peer = call.getPeer();
      const known = called[peer] ?? { firstMs: startedAtMs, lastMs: startedAtMs };
      called[peer] = { firstMs: known.firstMs, lastMs: Math.max(known.lastMs, startedAtMs) };
    }
  });
}, everyMs);

answerParent(async () => ({ called, failed }));
