/**
 * What many channels to one service cost: a program with a client for each tenant, and one that makes a client for each check
 * and never closes it. Beside as many channels of grpc-js' round_robin to the same list.
 *
 *     npm run bench -- channels [--channels 500] [--endpoints 20] [--json]
 */
import { parseArgs } from 'node:util';
import type { ManyChannelsOptions, ManyChannelsQuestion, Work } from './peers/many-channels';
import { type Peer, startPeer } from './peers/peer';
import { describeMachine } from './report';

type Kind = ManyChannelsOptions['kind'];

interface Result {
  readonly opened: Work;
  /** Of one channel whose connections exist, in bytes. */
  readonly activeHeap: number;
  readonly quiet: Work;
  readonly calling: Work;
  /** One endpoint fails and recovers by turns. */
  readonly failing: Work;
  /** One endpoint leaves and comes back by turns. */
  readonly changing: Work;
  /** Of one channel that is idle and that the program holds. */
  readonly idleHeap: number;
  /** The same once the program has let go of it. */
  readonly droppedHeap: number;
}

const PERIOD_MS = 10_000;
const CALLS_PER_SECOND = 200;
const CHANGES = 20;
const IDLE_TIMEOUT_MS = 1_000;

function ask<T>(peer: Peer, question: ManyChannelsQuestion): Promise<T> {
  return peer.ask<T>(question);
}

async function startServers(endpoints: number): Promise<{ well: Peer; bad: Peer; addresses: string[] }> {
  const well = await startPeer('server.ts', { host: '127.0.0.1', ports: endpoints - 1 });
  const bad = await startPeer('server.ts', { host: '127.0.0.1', ports: 1 });
  const ports = [...(await well.ask<readonly number[]>('ports')), ...(await bad.ask<readonly number[]>('ports'))];
  return { well, bad, addresses: ports.map((port) => `127.0.0.1:${port}`) };
}

async function run(kind: Kind, channels: number, endpoints: number): Promise<Result> {
  const { well, bad, addresses } = await startServers(endpoints);
  const client = await startPeer('many-channels.ts', { kind, addresses } satisfies ManyChannelsOptions);
  const idler = await startPeer('many-channels.ts', {
    kind,
    addresses,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
  } satisfies ManyChannelsOptions);
  const period = { callsPerSecond: CALLS_PER_SECOND, forMs: PERIOD_MS, changes: 0 };
  try {
    await ask(client, { open: 1 });
    const empty = await ask<number>(client, 'heap');
    const opened = await ask<Work>(client, { open: channels });
    const activeHeap = ((await ask<number>(client, 'heap')) - empty) / channels;
    const quiet = await ask<Work>(client, { ...period, callsPerSecond: 0 });
    const calling = await ask<Work>(client, period);
    let isFailing = false;
    const flip = setInterval(() => {
      isFailing = !isFailing;
      void bad.ask({ failing: isFailing });
    }, PERIOD_MS / CHANGES);
    const failing = await ask<Work>(client, period);
    clearInterval(flip);
    await bad.ask({ failing: false });
    const changing = await ask<Work>(client, { ...period, changes: CHANGES });

    await ask(idler, { open: 1 });
    const before = await ask<number>(idler, 'heap');
    await ask(idler, { open: channels });
    await new Promise((resolve) => setTimeout(resolve, 3 * IDLE_TIMEOUT_MS));
    const idleHeap = ((await ask<number>(idler, 'heap')) - before) / channels;
    await ask(idler, 'drop');
    const droppedHeap = ((await ask<number>(idler, 'heap')) - before) / channels;
    return { opened, activeHeap, quiet, calling, failing, changing, idleHeap, droppedHeap };
  } finally {
    for (const peer of [client, idler, well, bad]) await peer.stop();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { channels: { type: 'string' }, endpoints: { type: 'string' }, json: { type: 'boolean' } },
  });
  const channels = Number(values.channels ?? 500);
  const endpoints = Number(values.endpoints ?? 20);
  const machine = describeMachine();
  const theirs = await run('round_robin', channels, endpoints);
  const ours = await run('graylane', channels, endpoints);
  if (values.json === true) {
    console.log(JSON.stringify({ machine, channels, endpoints, theirs, ours }));
    return;
  }
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${channels} channels to ${endpoints} endpoints`,
  );
  const works = {
    'first call of each channel': 'opened',
    [`${PERIOD_MS / 1_000} s without a call`]: 'quiet',
    [`${PERIOD_MS / 1_000} s of ${CALLS_PER_SECOND} calls/s`]: 'calling',
    [`the same, one endpoint failing ${CHANGES / 2} times`]: 'failing',
    [`the same, ${CHANGES} changes of the list`]: 'changing',
  } as const;
  const heaps = { 'in use': 'activeHeap', 'idle, held': 'idleHeap', 'idle, let go': 'droppedHeap' } as const;
  for (const [name, result] of Object.entries({ 'grpc-js round_robin': theirs, graylane: ours })) {
    for (const [what, key] of Object.entries(works)) {
      const { cpuMs, longestBlockMs } = result[key];
      const label = `${name.padEnd(21)}${what.padEnd(40)}`;
      console.log(`${label}${cpuMs.toFixed(0)} ms of processor time, longest block ${longestBlockMs.toFixed(0)} ms`);
    }
    for (const [what, key] of Object.entries(heaps)) {
      console.log(`${name.padEnd(21)}heap of a channel, ${what.padEnd(22)}${(result[key] / 1_024).toFixed(2)} KiB`);
    }
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
