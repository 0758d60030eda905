/**
 * How soon calls follow what happens: a policy written to Consul, an instance that comes and goes there, a server that is
 * killed. A real Consul, servers in processes of their own, calls at a steady rate.
 *
 *     npm run bench -- react [--only policy,instances,killed,dns] [--repetitions 100] [--kills 20] [--dns-seconds 35] [--json]
 *
 * Beside it, in the same kills, grpc-js' round_robin with and without retry; and a client that finds its servers by Consul's DNS.
 */
import { parseArgs } from 'node:util';
import { startConsul } from '../test/support/consul/start';
import { DNS_WATCHED_MS, followDns, formatDns } from './react/dns';
import { instancesChanged } from './react/instances';
import { formatLoss, serverKilled } from './react/killed';
import { policyWritten } from './react/policy';
import { figureOf, formatFigure, type ReactionFigure } from './react/reaction';
import { describeMachine } from './report';

const STEPS = ['policy', 'instances', 'killed', 'dns'] as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      repetitions: { type: 'string' },
      kills: { type: 'string' },
      'dns-seconds': { type: 'string' },
      json: { type: 'boolean' },
    },
  });
  const wanted = values.only?.split(',') ?? STEPS;
  const unknown = wanted.filter((step) => !STEPS.some((known) => known === step));
  if (unknown.length > 0) throw new Error(`--only: ${unknown.join(',')} (expected: some of ${STEPS.join(',')})`);
  const repetitions = Number(values.repetitions ?? 100);
  const print = values.json === true ? (): void => {} : console.log;
  const machine = describeMachine();
  print(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`);
  const consul = await startConsul({ dns: true });
  try {
    const reactions: ReactionFigure[] = [];
    if (wanted.includes('policy')) reactions.push(figureOf(await policyWritten(consul, repetitions)));
    if (wanted.includes('instances')) {
      reactions.push(...(await instancesChanged(consul, Math.ceil(repetitions / 2))).map(figureOf));
    }
    if (reactions.length > 0) print('\ngraylane, a call every 2 ms');
    for (const figure of reactions) print(formatFigure(figure));
    const losses = wanted.includes('killed') ? await serverKilled(consul, Number(values.kills ?? 20)) : [];
    if (losses.length > 0) print('\none of three servers killed (SIGKILL), a call every 5 ms, answered in 20 ms');
    for (const loss of losses) print(formatLoss(loss));
    const dnsMs = values['dns-seconds'] === undefined ? DNS_WATCHED_MS : Number(values['dns-seconds']) * 1_000;
    const dns = wanted.includes('dns') ? await followDns(consul, dnsMs) : undefined;
    if (dns !== undefined) print(`\ngrpc-js round_robin by Consul's DNS\n${formatDns(dns)}`);
    if (values.json === true) console.log(JSON.stringify({ machine, reactions, losses, dns }));
  } finally {
    await consul.stop();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
