/**
 * What a call costs its client: processor time and latency, beside plain grpc-js, a breaker written by hand, and other
 * instrumentation. Each way of calling has a process of its own; the servers have another.
 *
 *     node --expose-gc --import tsx benchmarks/call.ts [--short] [--json] [--only unary,1]
 */
import { parseArgs } from 'node:util';
import type { Batch, BatchCost } from './peers/client';
import { type Peer, startPeer } from './peers/peer';
import { describeMachine } from './report';
import { interleaved, pairedRatio, type Spread, spreadOf } from './sample';
import { VARIANTS } from './variants';

const ENDPOINTS = 10;
const REFERENCE = 'round_robin';

interface Scenario {
  readonly name: string;
  readonly batch: Batch;
}

interface Line {
  readonly scenario: string;
  readonly variant: string;
  readonly cpuUs: Spread;
  readonly cpuRatio: Spread;
  readonly p50Us: Spread;
  readonly p50Ratio: Spread;
  readonly p99Us: Spread;
}

function scenarios(scale: number): readonly Scenario[] {
  const unary = [1, 32, 128].map((concurrency) => ({
    name: `unary, ${concurrency} at a time`,
    batch: { kind: 'unary' as const, calls: Math.round((concurrency === 1 ? 500 : 2_000) * scale), concurrency },
  }));
  const streams = { kind: 'stream' as const, calls: Math.round(600 * scale), concurrency: 32 };
  return [...unary, { name: 'stream of 10 messages, 32 at a time', batch: streams }];
}

async function measure(scenario: Scenario, clients: ReadonlyMap<string, Peer>, kept: number): Promise<readonly Line[]> {
  const names = [...clients.keys()];
  const rounds = await interleaved(names, { kept, warmUp: 3 }, (name) =>
    (clients.get(name) as Peer).ask<BatchCost>(scenario.batch),
  );
  const of = (name: string, field: keyof BatchCost): readonly number[] =>
    (rounds.get(name) ?? []).map((cost) => cost[field]);
  return names.map((variant) => ({
    scenario: scenario.name,
    variant,
    cpuUs: spreadOf(of(variant, 'cpuUsPerCall')),
    cpuRatio: pairedRatio(of(variant, 'cpuUsPerCall'), of(REFERENCE, 'cpuUsPerCall')),
    p50Us: spreadOf(of(variant, 'p50Us')),
    p50Ratio: pairedRatio(of(variant, 'p50Us'), of(REFERENCE, 'p50Us')),
    p99Us: spreadOf(of(variant, 'p99Us')),
  }));
}

function format({ variant, cpuUs, cpuRatio, p50Us, p50Ratio, p99Us }: Line): string {
  const times = ({ median, low, high }: Spread): string =>
    `${median.toFixed(3)} x [${low.toFixed(2)} .. ${high.toFixed(2)}]`.padEnd(24);
  return (
    `  ${variant.padEnd(32)}${cpuUs.median.toFixed(1).padStart(7)} us  ${times(cpuRatio)}` +
    `p50 ${p50Us.median.toFixed(0).padStart(6)} us  ${times(p50Ratio)}p99 ${p99Us.median.toFixed(0).padStart(6)} us`
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { short: { type: 'boolean' }, json: { type: 'boolean' }, only: { type: 'string' } },
  });
  const kept = values.short === true ? 7 : 41;
  const wanted = scenarios(values.short === true ? 0.5 : 1).filter(({ name }) => name.includes(values.only ?? ''));
  const server = await startPeer('server.ts', { host: '127.0.0.1', ports: ENDPOINTS });
  const addresses = (await server.ask<readonly number[]>('ports')).map((port) => `127.0.0.1:${port}`);
  const clients = new Map<string, Peer>();
  for (const variant of Object.keys(VARIANTS))
    clients.set(variant, await startPeer('client.ts', { variant, addresses }));
  const machine = describeMachine();
  const lines: Line[] = [];
  if (values.json !== true) {
    console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${kept} interleaved rounds`);
    console.log('processor time of the client per call, and latency; ratios within a round to plain round_robin');
  }
  for (const scenario of wanted) {
    const measured = await measure(scenario, clients, kept);
    lines.push(...measured);
    if (values.json === true) continue;
    console.log(`\n${scenario.name}`);
    for (const line of measured) console.log(format(line));
  }
  if (values.json === true) console.log(JSON.stringify({ machine, rounds: kept, lines }));
  for (const peer of [...clients.values(), server]) await peer.stop();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
