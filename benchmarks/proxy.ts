/**
 * The same calls with the same 90/10 weights: split in the client by graylane, or by a proxy that the client is told to call.
 * Processor time of client and proxy together, and latency, beside calls that go straight to a server.
 *
 *     npm run build && node --import tsx benchmarks/proxy.ts [--rounds 31] [--json]
 *
 * Uses what is on the machine of nginx, HAProxy and Envoy, and says what is not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Batch, BatchCost } from './peers/client';
import { type Peer, startPeer } from './peers/peer';
import { startEnvoy } from './proxies/envoy';
import { startHaproxy } from './proxies/haproxy';
import { startNginx } from './proxies/nginx';
import type { RunningProxy, Upstream } from './proxies/proxy';
import { describeMachine } from './report';
import { interleaved, quantile, type Spread, spreadOf } from './sample';

interface Way {
  readonly name: string;
  readonly client: Peer;
  readonly proxy: RunningProxy | undefined;
}

interface Cost extends BatchCost {
  readonly proxyUsPerCall: number;
}

const STABLE = 5;
const CANARY = 5;
const DIRECT = 'round_robin, no split';

async function measure(way: Way, batch: Batch): Promise<Cost> {
  const before = way.proxy?.cpuUs() ?? 0;
  const cost = await way.client.ask<BatchCost>(batch);
  return { ...cost, proxyUsPerCall: ((way.proxy?.cpuUs() ?? 0) - before) / batch.calls };
}

function show({ median, low, high }: Spread): string {
  return `${median.toFixed(1)} [${low.toFixed(1)} .. ${high.toFixed(1)}]`.padEnd(25);
}

async function openWays(addresses: readonly string[], directory: string, missing: string[]): Promise<readonly Way[]> {
  const upstreams: Upstream[] = addresses.map((address, index) => ({ address, weight: index < STABLE ? 18 : 2 }));
  const client = (variant: string, to: readonly string[]): Promise<Peer> =>
    startPeer('client.ts', { variant, addresses: to });
  const ways: Way[] = [
    { name: DIRECT, client: await client('round_robin', addresses), proxy: undefined },
    { name: 'graylane', client: await client('graylane 90/10', addresses), proxy: undefined },
  ];
  for (const [name, start] of Object.entries({ nginx: startNginx, HAProxy: startHaproxy, Envoy: startEnvoy })) {
    const proxy = await start(upstreams, directory);
    if (proxy === undefined) missing.push(name);
    else ways.push({ name: `${name} ${proxy.version}`, client: await client('pick_first', [proxy.address]), proxy });
  }
  return ways;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string' }, json: { type: 'boolean' } } });
  const kept = Number(values.rounds ?? 31);
  const directory = mkdtempSync(join(tmpdir(), 'graylane-proxy-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const server = await startPeer('server.ts', { host: '127.0.0.1', ports: STABLE + CANARY });
  const addresses = (await server.ask<readonly number[]>('ports')).map((port) => `127.0.0.1:${port}`);
  const missing: string[] = [];
  const ways = await openWays(addresses, directory, missing);
  const machine = describeMachine();
  const lines: object[] = [];
  if (values.json !== true) {
    console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${kept} interleaved rounds`);
    if (missing.length > 0) console.log(`not on this machine, left out: ${missing.join(', ')}`);
  }
  for (const concurrency of [1, 32]) {
    const batch: Batch = { kind: 'unary', calls: concurrency === 1 ? 500 : 2_000, concurrency };
    const rounds = await interleaved(ways, { kept, warmUp: 3 }, (way) => measure(way, batch));
    const direct = rounds.get(ways[0] as Way) ?? [];
    if (values.json !== true) console.log(`\nunary, ${concurrency} at a time: microseconds a call`);
    for (const way of ways) {
      const costs = rounds.get(way) ?? [];
      const added = (read: (cost: Cost) => number): Spread =>
        spreadOf(costs.map((cost, round) => read(cost) - read(direct[round] as Cost)));
      const line = {
        concurrency,
        way: way.name,
        clientUs: quantile(
          costs.map(({ cpuUsPerCall }) => cpuUsPerCall),
          0.5,
        ),
        proxyUs: quantile(
          costs.map(({ proxyUsPerCall }) => proxyUsPerCall),
          0.5,
        ),
        addedCpuUs: added(({ cpuUsPerCall, proxyUsPerCall }) => cpuUsPerCall + proxyUsPerCall),
        addedP50Us: added(({ p50Us }) => p50Us),
      };
      lines.push(line);
      if (values.json === true) continue;
      console.log(
        `  ${way.name.padEnd(24)}client ${line.clientUs.toFixed(1).padStart(6)}  proxy ${line.proxyUs.toFixed(1).padStart(6)}  ` +
          `added: processor ${show(line.addedCpuUs)}p50 ${show(line.addedP50Us)}`,
      );
    }
  }
  if (values.json === true) console.log(JSON.stringify({ machine, rounds: kept, missing, lines }));
  for (const { client, proxy } of ways) {
    await client.stop();
    await proxy?.stop();
  }
  await server.stop();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
