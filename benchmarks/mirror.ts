/**
 * What a mirror at 100 % costs the caller: latency and processor time, beside the same client without a mirror. The
 * servers of the calls, that of the copies, and each client have a process of their own.
 *
 *     npm run bench -- mirror [--rounds 61] [--paced] [--short] [--json]
 *
 * `--paced`: without busy clients. Callers pause between calls, as those of a service do: the copies' work then falls into the pauses. `busy` shows a
 * client that has none, whose copies take their time from calls.
 */
import { parseArgs } from 'node:util';
import type { Batch, BatchCost } from './peers/calls';
import { type Peer, startPeer } from './peers/peer';
import { leadIn, startClient } from './peers/start-client';
import { describeMachine } from './report';
import { interleaved, pairedRatio, type Spread, spreadOf } from './sample';

const REFERENCE = 'unmirrored';
const VARIANTS = [REFERENCE, 'mirrored', 'compared'];
const WARM_UP_ROUNDS = 2;
const WARM_UP_CALLS = 5_000;

const SCENARIOS: Readonly<Record<string, Batch>> = {
  '1 at a time, 5 ms apart': { kind: 'unary', calls: 50, concurrency: 1, pauseMs: 5 },
  '8 at a time, 20 ms apart': { kind: 'unary', calls: 100, concurrency: 8, pauseMs: 20 },
  'busy, 1 at a time': { kind: 'unary', calls: 200, concurrency: 1 },
  'busy, 32 at a time': { kind: 'unary', calls: 1_000, concurrency: 32 },
};

interface Line {
  readonly scenario: string;
  readonly variant: string;
  readonly p50Us: Spread;
  readonly p50By: Spread;
  readonly cpuUs: Spread;
  readonly cpuBy: Spread;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      paced: { type: 'boolean' },
      short: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  });
  const rounds = Number(values.rounds ?? (values.short === true ? 15 : 61));
  const print = values.json === true ? (): void => {} : console.log;
  const servers: Peer[] = [];
  const addresses: string[] = [];
  for (const ports of [4, 1]) {
    const server = await startPeer('server.ts', { host: '127.0.0.1', ports });
    servers.push(server);
    addresses.push(...(await server.ask<readonly number[]>('ports')).map((port) => `127.0.0.1:${port}`));
  }
  const clients = new Map<string, Peer>();
  for (const variant of VARIANTS)
    clients.set(variant, await startClient({ variant, addresses, spans: undefined, warmUpCalls: WARM_UP_CALLS }));
  const machine = describeMachine();
  print(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${rounds} interleaved rounds`);
  print(
    'latency of calls, and processor time of the client per call; ratios within a round to the client without mirror',
  );
  const lines: Line[] = [];
  for (const [scenario, batch] of Object.entries(SCENARIOS)) {
    if (values.paced === true && batch.pauseMs === undefined) continue;
    print(`\n${scenario}`);
    const costs = await interleaved(VARIANTS, { kept: rounds, warmUp: WARM_UP_ROUNDS }, async (variant) => {
      const peer = clients.get(variant) as Peer;
      await leadIn(peer, batch);
      return peer.ask<BatchCost>(batch);
    });
    const of = (variant: string, field: keyof BatchCost) => (costs.get(variant) ?? []).map((cost) => cost[field]);
    for (const variant of VARIANTS) {
      const [p50, cpu] = [of(variant, 'p50Us'), of(variant, 'cpuUsPerCall')];
      const line = {
        scenario,
        variant,
        p50Us: spreadOf(p50),
        p50By: pairedRatio(p50, of(REFERENCE, 'p50Us')),
        cpuUs: spreadOf(cpu),
        cpuBy: pairedRatio(cpu, of(REFERENCE, 'cpuUsPerCall')),
      };
      lines.push(line);
      print(formatLine(line));
    }
  }
  if (values.json === true) console.log(JSON.stringify({ machine, rounds, lines }));
  for (const peer of [...clients.values(), ...servers]) await peer.stop();
}

function formatLine({ variant, p50Us, p50By, cpuUs, cpuBy }: Line): string {
  const [low, high] = p50By.surely;
  const p50 = `p50 ${p50Us.median.toFixed(0)} us, x ${p50By.median.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
  return `  ${variant.padEnd(12)} ${p50}; processor ${cpuUs.median.toFixed(0)} us, x ${cpuBy.median.toFixed(2)}`;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
