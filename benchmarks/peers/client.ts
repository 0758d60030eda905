import * as grpc from '@grpc/grpc-js';
import { PROXIED, VARIANTS } from '../variants';
import { charge } from '../variants/by-hand';
import type { OpenVariant } from '../variants/variant';
import { answerParent, argumentOf } from './peer';

/** Makes calls in one way, as many at a time as asked, and says what they cost. */
interface ClientOptions {
  readonly variant: string;
  readonly addresses: readonly string[];
}

export interface Batch {
  readonly kind: 'unary' | 'stream';
  readonly calls: number;
  readonly concurrency: number;
}

export interface BatchCost {
  /** Processor time of this process, user and system. */
  readonly cpuUsPerCall: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly callsPerSecond: number;
}

/** Messages of one stream. */
const STREAMED = 10;

async function main(): Promise<void> {
  const { variant, addresses } = argumentOf<ClientOptions>();
  const open = await { ...VARIANTS, ...PROXIED }[variant]?.()(addresses);
  if (open === undefined)
    throw new Error(`${variant}: no such variant (expected: ${Object.keys(VARIANTS).join(', ')})`);
  answerParent((batch: Batch) => run(open, batch));
}

async function run(open: OpenVariant, { kind, calls, concurrency }: Batch): Promise<BatchCost> {
  const once = kind === 'unary' ? (open.charge ?? ((metadata) => charge(open.client, metadata))) : watcher(open);
  const latencies = new Float64Array(calls);
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < calls) {
      const call = begun;
      begun += 1;
      const metadata = new grpc.Metadata();
      metadata.set('x-user-id', `u-${call % 1_000}`);
      metadata.set('x-tier', 'standard');
      const startedAt = performance.now();
      await once(metadata);
      latencies[call] = performance.now() - startedAt;
    }
  };
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort();
  const at = (share: number): number => (latencies[Math.floor(share * calls)] ?? Number.NaN) * 1_000;
  return {
    cpuUsPerCall: (user + system) / calls,
    p50Us: at(0.5),
    p99Us: at(0.99),
    callsPerSecond: (calls / elapsedMs) * 1_000,
  };
}

function watcher({ client }: OpenVariant): (metadata: grpc.Metadata) => Promise<void> {
  return (metadata) =>
    new Promise((resolve, reject) => {
      const stream = client.watch({ count: STREAMED }, metadata, { deadline: Date.now() + 10_000 });
      stream.on('data', () => {});
      stream.on('error', reject);
      stream.on('end', resolve);
    });
}

void main();
