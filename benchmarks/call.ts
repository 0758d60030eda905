/**
 * What a call costs its client: processor time and latency, beside plain grpc-js, a breaker written by hand, and
 * OpenTelemetry's instrumentation. Each way of calling has a process of its own; the servers have another.
 *
 *     npm run bench -- call [--kind unary,stream] [--concurrency 1,32,128] [--variants breakers,spans] [--rounds 31]
 *                           [--short] [--json] [--svg FILE]
 *
 * The variants are the keys of variants/index.ts; round_robin, to which ratios refer, is always among them. All variants with
 * one kind and one concurrency take one to three minutes.
 */
import { writeFileSync } from 'node:fs';
import { type CallLine, type Comparison, comparisonsOf, linesOf } from './call/compare';
import { planCalls, type Scenario } from './call/plan';
import { chartOf, formatComparison, formatLine } from './call/report';
import type { BatchCost } from './peers/calls';
import { type Peer, startPeer } from './peers/peer';
import { startClient } from './peers/start-client';
import { describeMachine } from './report';
import { interleaved } from './sample';
import { VARIANTS } from './variants';

const ENDPOINTS = 10;
const WARM_UP_ROUNDS = 3;

async function openClients(variants: readonly string[], addresses: readonly string[]): Promise<Map<string, Peer>> {
  const clients = new Map<string, Peer>();
  for (const variant of variants) {
    clients.set(variant, await startClient({ variant, addresses, spans: VARIANTS[variant]?.spans }));
  }
  return clients;
}

async function main(): Promise<void> {
  const plan = planCalls(process.argv.slice(2));
  const print = plan.isJson ? (): void => {} : console.log;
  const server = await startPeer('server.ts', { host: '127.0.0.1', ports: ENDPOINTS });
  const addresses = (await server.ask<readonly number[]>('ports')).map((port) => `127.0.0.1:${port}`);
  const clients = await openClients(plan.variants, addresses);
  const machine = describeMachine();
  const lines: CallLine[] = [];
  const comparisons: Comparison[] = [];
  print(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${plan.rounds} interleaved rounds`);
  print(
    'processor time of the client per call, and latency; differences and ratios within a round to plain round_robin',
  );
  const measure = async (scenario: Scenario): Promise<void> => {
    const rounds = await interleaved(plan.variants, { kept: plan.rounds, warmUp: WARM_UP_ROUNDS }, (variant) =>
      (clients.get(variant) as Peer).ask<BatchCost>(scenario.batch),
    );
    const measured = linesOf(scenario, rounds);
    const held = comparisonsOf(scenario, rounds);
    lines.push(...measured);
    comparisons.push(...held);
    print(`\n${scenario.name}`);
    for (const line of measured) print(formatLine(line));
    for (const one of held) print(formatComparison(one));
  };
  for (const scenario of plan.scenarios) await measure(scenario);
  if (plan.isJson) console.log(JSON.stringify({ machine, rounds: plan.rounds, lines, comparisons }));
  if (plan.svg !== undefined) writeFileSync(plan.svg, chartOf(lines));
  for (const peer of [...clients.values(), server]) await peer.stop();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
