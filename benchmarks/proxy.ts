/**
 * The same calls with the same 90/10 weights: split in the client by graylane, or by a proxy that the client is told to call.
 * Processor time of client and proxy together, and latency, beside calls that go straight to a server.
 *
 *     npm run bench -- proxy [--concurrency 1,32] [--rounds 31] [--json] [--svg FILE]
 *
 * Uses what is on the machine of nginx, HAProxy and Envoy, and says what is not.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Batch, BatchCost } from './peers/calls';
import { type Peer, startPeer } from './peers/peer';
import { leadIn, startClient } from './peers/start-client';
import { type Cost, comparedWithBest, lineOf, type WayLine } from './proxies/added';
import { proxyChart } from './proxies/chart';
import { startEnvoy } from './proxies/envoy';
import { startHaproxy } from './proxies/haproxy';
import { startNginx } from './proxies/nginx';
import type { RunningProxy, Upstream } from './proxies/proxy';
import { describeMachine } from './report';
import { interleaved, type Spread } from './sample';

interface Way {
  readonly name: string;
  readonly isOurs: boolean;
  readonly client: Peer;
  readonly proxy: RunningProxy | undefined;
}

const STABLE = 5;
const CANARY = 5;
const DIRECT = 'round_robin, no split';

async function measure(way: Way, batch: Batch): Promise<Cost> {
  await leadIn(way.client, batch);
  const before = way.proxy?.cpuUs() ?? 0;
  const cost = await way.client.ask<BatchCost>(batch);
  return { ...cost, proxyUsPerCall: ((way.proxy?.cpuUs() ?? 0) - before) / batch.calls };
}

function show({ median, low, high }: Spread): string {
  return `${median.toFixed(1)} [${low.toFixed(1)} .. ${high.toFixed(1)}]`.padEnd(25);
}

function format({ way, isOurs, clientUs, proxyUs, addedCpuUs, addedP50Us, moreThanOursUs }: WayLine): string {
  const beside = isOurs ? '' : `processor beside graylane ${show(moreThanOursUs)}`;
  return (
    `  ${way.padEnd(24)}client ${clientUs.toFixed(1).padStart(6)}  proxy ${proxyUs.toFixed(1).padStart(6)}  ` +
    `added: processor ${show(addedCpuUs)}p50 ${show(addedP50Us)}${beside}`
  );
}

async function openWays(addresses: readonly string[], directory: string, missing: string[]): Promise<readonly Way[]> {
  const upstreams: Upstream[] = addresses.map((address, index) => ({ address, weight: index < STABLE ? 18 : 2 }));
  const client = (variant: string, to: readonly string[]): Promise<Peer> =>
    startClient({ variant, addresses: to, spans: undefined });
  const ways: Way[] = [
    { name: DIRECT, isOurs: false, client: await client('round_robin', addresses), proxy: undefined },
    { name: 'graylane', isOurs: true, client: await client('split', addresses), proxy: undefined },
  ];
  for (const [name, start] of Object.entries({ nginx: startNginx, HAProxy: startHaproxy, Envoy: startEnvoy })) {
    const proxy = await start(upstreams, directory);
    if (proxy === undefined) missing.push(name);
    else {
      const to = await client('pick_first', [proxy.address]);
      ways.push({ name: `${name} ${proxy.version}`, isOurs: false, client: to, proxy });
    }
  }
  return ways;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      concurrency: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'boolean' },
      svg: { type: 'string' },
    },
  });
  const kept = Number(values.rounds ?? 31);
  const print = values.json === true ? (): void => {} : console.log;
  const directory = mkdtempSync(join(tmpdir(), 'graylane-proxy-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const server = await startPeer('server.ts', { host: '127.0.0.1', ports: STABLE + CANARY });
  const addresses = (await server.ask<readonly number[]>('ports')).map((port) => `127.0.0.1:${port}`);
  const missing: string[] = [];
  const ways = await openWays(addresses, directory, missing);
  const machine = describeMachine();
  const lines: WayLine[] = [];
  const compared: string[] = [];
  print(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${kept} interleaved rounds`);
  if (missing.length > 0) print(`not on this machine, left out: ${missing.join(', ')}`);
  for (const concurrency of (values.concurrency ?? '1,32').split(',').map(Number)) {
    const batch: Batch = { kind: 'unary', calls: concurrency === 1 ? 500 : 2_000, concurrency };
    const rounds = await interleaved(ways, { kept, warmUp: 3 }, (way) => measure(way, batch));
    const of = (wanted: (way: Way) => boolean): readonly Cost[] => rounds.get(ways.find(wanted) as Way) ?? [];
    const references = { direct: of(({ name }) => name === DIRECT), ours: of(({ isOurs }) => isOurs) };
    const here = ways.map((way) =>
      lineOf({ concurrency, way: way.name, isOurs: way.isOurs }, rounds.get(way) ?? [], references),
    );
    lines.push(...here);
    print(`\nunary, ${concurrency} at a time: microseconds a call`);
    for (const line of here) print(format(line));
    for (const [what, field] of [
      ['processor', 'addedCpuUs'],
      ['p50', 'addedP50Us'],
    ] as const) {
      const verdict = comparedWithBest(here, field);
      if (verdict === undefined) continue;
      compared.push(`${concurrency} at a time, ${what}: ${verdict}`);
      print(`  ${what}: ${verdict}`);
    }
  }
  if (values.json === true) console.log(JSON.stringify({ machine, rounds: kept, missing, lines, compared }));
  if (values.svg !== undefined) writeFileSync(values.svg, proxyChart(lines));
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
