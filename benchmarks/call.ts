/**
 * What a call costs its client: processor time and latency, beside plain grpc-js, a breaker written by hand, and
 * OpenTelemetry's instrumentation. Each way of calling has a process of its own; the servers have another.
 *
 *     npm run bench -- call [--kind unary,stream] [--concurrency 1,32,128] [--variants breakers,spans] [--rounds 31]
 *                           [--processes 1] [--profile] [--short] [--json] [--svg FILE]
 *
 * The variants are the keys of variants/index.ts; round_robin, to which ratios refer, is always among them. All variants with
 * one kind and one concurrency take one to three minutes.
 */
import { writeFileSync } from 'node:fs';
import { type CallLine, type Comparison, comparisonsOf, linesOf } from './call/compare';
import { type CallPlan, planCalls, type Scenario } from './call/plan';
import { chartOf, formatComparison, formatLine, formatProfile, type ProfileLine } from './call/report';
import type { BatchCost, ProfiledBatch } from './peers/calls';
import { type Peer, startPeer } from './peers/peer';
import type { Profile } from './peers/profile';
import { leadIn, startClient } from './peers/start-client';
import { describeMachine } from './report';
import { interleaved } from './sample';
import { VARIANTS } from './variants';

const ENDPOINTS = 10;
const WARM_UP_ROUNDS = 3;
const PROFILED_ROUNDS = 10;

/** The processes of each variant. Started in turn, as what else goes on meanwhile differs from one start to the next. */
async function openClients(plan: CallPlan, addresses: readonly string[]): Promise<Map<string, Peer[]>> {
  const clients = new Map(plan.variants.map((variant) => [variant, [] as Peer[]]));
  for (let started = 0; started < plan.processes; started += 1) {
    for (const [variant, peers] of clients) {
      peers.push(await startClient({ variant, addresses, spans: VARIANTS[variant]?.spans }));
    }
  }
  return clients;
}

async function main(): Promise<void> {
  const plan = planCalls(process.argv.slice(2));
  const print = plan.isJson ? (): void => {} : console.log;
  const server = await startPeer('server.ts', { host: '127.0.0.1', ports: ENDPOINTS });
  const addresses = (await server.ask<readonly number[]>('ports')).map((port) => `127.0.0.1:${port}`);
  const clients = await openClients(plan, addresses);
  const machine = describeMachine();
  const lines: CallLine[] = [];
  const comparisons: Comparison[] = [];
  print(
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${plan.rounds} interleaved rounds, processes of each: ${plan.processes}`,
  );
  print(
    'processor time of the client per call, and latency; differences and ratios within a round to plain round_robin',
  );
  const profiles: ProfileLine[] = [];
  const profile = async ({ name, batch }: Scenario): Promise<void> => {
    print(`\n${name}: where busy time goes, from a sampling profile`);
    for (const variant of plan.variants) {
      const [peer] = clients.get(variant) as Peer[];
      const question: ProfiledBatch = { ...batch, calls: PROFILED_ROUNDS * batch.calls, isProfiled: true };
      const line = { scenario: name, variant, profile: await (peer as Peer).ask<Profile>(question) };
      profiles.push(line);
      print(formatProfile(line));
    }
  };
  const measure = async (scenario: Scenario): Promise<void> => {
    const warmUp = WARM_UP_ROUNDS * plan.processes;
    const rounds = await interleaved(plan.variants, { kept: plan.rounds, warmUp }, async (variant) => {
      // Whose turn it is goes to the end.
      const peers = clients.get(variant) as Peer[];
      const peer = peers.shift() as Peer;
      peers.push(peer);
      await leadIn(peer, scenario.batch);
      return peer.ask<BatchCost>(scenario.batch);
    });
    const measured = linesOf(scenario, rounds);
    const held = comparisonsOf(scenario, rounds);
    lines.push(...measured);
    comparisons.push(...held);
    print(`\n${scenario.name}`);
    for (const line of measured) print(formatLine(line));
    for (const one of held) print(formatComparison(one));
  };
  for (const scenario of plan.scenarios) {
    await measure(scenario);
    if (plan.isProfiled) await profile(scenario);
  }
  if (plan.isJson)
    console.log(
      JSON.stringify({ machine, rounds: plan.rounds, processes: plan.processes, lines, comparisons, profiles }),
    );
  if (plan.svg !== undefined) writeFileSync(plan.svg, chartOf(lines));
  for (const peer of [...clients.values(), server].flat()) await peer.stop();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
