/**
 * What many endpoints cost a client that does nothing: processor time and heap, before any of them failed and with a breaker
 * for each, beside grpc-js' round_robin over the same list.
 *
 *     npm run bench -- idle [--endpoints 10000] [--json]
 */
import { parseArgs } from 'node:util';
import { type Peer, startPeer } from './peers/peer';
import type { UpdaterOptions } from './peers/updater';
import { describeMachine } from './report';

type Kind = UpdaterOptions['kind'];

interface Reading {
  readonly heapBytes: number;
  readonly cpuShare: number;
}

interface Result {
  readonly empty: number;
  readonly connected: Reading;
  /** After every endpoint has failed once. */
  readonly failed: Reading;
}

const CONNECT_MS = 30_000;
const IDLE_MS = 20_000;
/** Longer than a breaker's window: it has nothing left to count. */
const FORGET_MS = 15_000;

async function read(client: Peer): Promise<Reading> {
  // First: what the collector does after it was forced to run goes on for a while, and would be measured, too.
  const idle = await client.ask<Omit<Reading, 'heapBytes'>>({ idleMs: IDLE_MS });
  return { heapBytes: await client.ask<number>('heap'), ...idle };
}

async function run(kind: Kind, endpoints: number): Promise<Result> {
  const server = await startPeer('server.ts', { host: '0.0.0.0', ports: 1 });
  const client = await startPeer('updater.ts', { kind } satisfies UpdaterOptions);
  try {
    const [port = 0] = await server.ask<readonly number[]>('ports');
    const list = Array.from(
      { length: endpoints },
      (_, index) => `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:${port}`,
    );
    const empty = await client.ask<number>('heap');
    await client.ask({ list, settleMs: CONNECT_MS });
    const connected = await read(client);
    await server.ask({ failing: true });
    // Smooth weighted round robin passes every endpoint once in so many picks.
    await client.ask({ calls: endpoints });
    await new Promise((resolve) => setTimeout(resolve, FORGET_MS));
    return { empty, connected, failed: await read(client) };
  } finally {
    await client.stop();
    await server.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { endpoints: { type: 'string' }, json: { type: 'boolean' } } });
  const endpoints = Number(values.endpoints ?? 10_000);
  const machine = describeMachine();
  const theirs = await run('round_robin', endpoints);
  const ours = await run('graylane', endpoints);
  const kib = (bytes: number): number => bytes / endpoints / 1_024;
  const own = {
    connected: kib(ours.connected.heapBytes - ours.empty - (theirs.connected.heapBytes - theirs.empty)),
    failed: kib(ours.failed.heapBytes - ours.empty - (theirs.failed.heapBytes - theirs.empty)),
  };
  if (values.json === true) {
    console.log(JSON.stringify({ machine, endpoints, theirs, ours, own }));
    return;
  }
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${endpoints} endpoints connected`);
  for (const [name, result] of Object.entries({ 'grpc-js round_robin': theirs, graylane: ours })) {
    for (const [state, reading] of Object.entries({ 'never failed': result.connected, 'failed once': result.failed })) {
      console.log(
        `${name.padEnd(22)}${state.padEnd(15)}heap ${kib(reading.heapBytes - result.empty).toFixed(2)} KiB an endpoint, ` +
          `${(reading.cpuShare * 100).toFixed(2)} % of a core`,
      );
    }
  }
  console.log(
    `graylane beside what grpc-js needs: ${own.connected.toFixed(2)} KiB an endpoint, ${own.failed.toFixed(2)} KiB with a breaker`,
  );
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
