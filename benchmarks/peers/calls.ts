import * as grpc from '@grpc/grpc-js';
import { MIRRORED, PROXIED, VARIANTS } from '../variants';
import { charge } from '../variants/by-hand';
import type { OpenVariant } from '../variants/variant';
import type { ClientOptions } from './client-options';
import { answerParent, argumentOf } from './peer';
import { profiled } from './profile';

export interface Batch {
  readonly kind: 'unary' | 'stream';
  readonly calls: number;
  readonly concurrency: number;
  /** Time between two calls of one worker, in milliseconds; default none: the client is as busy as it can be. */
  readonly pauseMs?: number;
}

/** Answered by a Profile in place of a BatchCost. */
export interface ProfiledBatch extends Batch {
  readonly isProfiled: true;
}

export interface BatchCost {
  /** Processor time of this process, user and system; with metrics, that of collecting them now and then is added. */
  readonly cpuUsPerCall: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly callsPerSecond: number;
}

/** Messages of one stream. */
const STREAMED = 10;
/** Before anything is measured: what runs for days has been compiled for long. */
const WARM_UP: Batch = { kind: 'unary', calls: 30_000, concurrency: 32 };
/** A scrape every 15 s, at 1,000 calls a second. */
const CALLS_A_COLLECTION = 15_000;

/** Makes calls in one way, as many at a time as asked, and says what they cost. */
async function main(): Promise<void> {
  const { variant, addresses, warmUpCalls = WARM_UP.calls } = argumentOf<ClientOptions>();
  const entry = VARIANTS[variant] ?? PROXIED[variant] ?? MIRRORED[variant];
  if (entry === undefined) throw new Error(`${variant}: no such variant`);
  const open = await entry.open()(addresses);
  await run(open, { ...WARM_UP, calls: warmUpCalls });
  answerParent((batch: Batch | ProfiledBatch) =>
    'isProfiled' in batch ? profiled(() => run(open, batch)) : run(open, batch),
  );
}

async function run(open: OpenVariant, { kind, calls, concurrency, pauseMs }: Batch): Promise<BatchCost> {
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
      if (pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  const collectionUs = open.collect === undefined ? 0 : await cpuUsOf(open.collect);
  latencies.sort();
  const at = (share: number): number => (latencies[Math.floor(share * calls)] ?? Number.NaN) * 1_000;
  return {
    cpuUsPerCall: (user + system) / calls + collectionUs / CALLS_A_COLLECTION,
    p50Us: at(0.5),
    p99Us: at(0.99),
    callsPerSecond: (calls / elapsedMs) * 1_000,
  };
}

async function cpuUsOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
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
