/**
 * What a change of the instances costs a client, beside grpc-js' round_robin: the first list, one instance replaced, a tenth
 * replaced, a policy swapped. Real connections, to one server that listens at every address of 127.0.0.0/8.
 *
 *     npm run bench -- update [--endpoints 5000] [--rounds 3] [--json]
 */
import { parseArgs } from 'node:util';
import { startPeer } from './peers/peer';
import type { Sessions } from './peers/server';
import type { UpdateCost, UpdaterOptions } from './peers/updater';
import { describeMachine } from './report';
import { type Spread, spreadOf } from './sample';

type Kind = UpdaterOptions['kind'];

interface Step {
  readonly name: string;
  readonly cost: UpdateCost;
  readonly opened: number;
  /** Undefined: not waited for. */
  readonly closed: number | undefined;
}

const CONNECT_MS = 6_000;
const SETTLE_MS = 1_500;
/** So often a step is made before it is measured warm: the first time pays for what V8 has not compiled yet. */
const WARM_UP = 4;
/** grpc-js lets go of a connection that nobody wants at its pool's next sweep. */
const SWEEP_MS = 11_000;

async function runOnce(kind: Kind, endpoints: number): Promise<readonly Step[]> {
  const server = await startPeer('server.ts', { host: '0.0.0.0', ports: 1 });
  const client = await startPeer('updater.ts', { kind } satisfies UpdaterOptions);
  try {
    const [port = 0] = await server.ask<readonly number[]>('ports');
    const addressAt = (index: number): string =>
      `127.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:${port}`;
    const list = Array.from({ length: endpoints }, (_, index) => addressAt(index));
    const steps: Step[] = [];
    const step = async (name: string, question: object, isSwept = false): Promise<void> => {
      const before = await server.ask<Sessions>('sessions');
      const cost = await client.ask<UpdateCost>(question);
      if (isSwept) await new Promise((resolve) => setTimeout(resolve, SWEEP_MS));
      const after = await server.ask<Sessions>('sessions');
      const opened = after.opened - before.opened;
      steps.push({ name, cost, opened, closed: isSwept ? before.open + opened - after.open : undefined });
    };
    const replaceOne = (turn: number): readonly string[] => {
      list[(endpoints >> 1) + turn] = addressAt(endpoints + turn);
      return list;
    };
    await step('first list', { list, settleMs: CONNECT_MS });
    await step('1 replaced', { list: replaceOne(0), settleMs: SETTLE_MS }, true);
    for (let turn = 1; turn <= WARM_UP; turn += 1) await client.ask({ list: replaceOne(turn), settleMs: SETTLE_MS });
    await step('1 replaced, warm', { list: replaceOne(WARM_UP + 1), settleMs: SETTLE_MS });
    for (let index = 0; index < endpoints / 10; index += 1) list[index * 10] = addressAt(endpoints * 2 + index);
    await step('10 % replaced', { list, settleMs: SETTLE_MS * 2 });
    if (kind === 'graylane') {
      await step('policy of 1,000 routes', { routes: 1_000, settleMs: SETTLE_MS });
      for (let turn = 1; turn <= WARM_UP; turn += 1) await client.ask({ routes: 1_000 - turn, settleMs: SETTLE_MS });
      await step('the same, warm', { routes: 1_000, settleMs: SETTLE_MS });
    }
    return steps;
  } finally {
    await client.stop();
    await server.stop();
  }
}

function show({ median, low, high }: Spread): string {
  return `${median.toFixed(1)} [${low.toFixed(0)} .. ${high.toFixed(0)}]`.padEnd(22);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { endpoints: { type: 'string' }, rounds: { type: 'string' }, json: { type: 'boolean' } },
  });
  const endpoints = Number(values.endpoints ?? 5_000);
  const rounds = Number(values.rounds ?? 3);
  const results: { readonly kind: Kind; readonly steps: readonly Step[] }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const order: readonly Kind[] = round % 2 === 0 ? ['round_robin', 'graylane'] : ['graylane', 'round_robin'];
    for (const kind of order) results.push({ kind, steps: await runOnce(kind, endpoints) });
  }
  const machine = describeMachine();
  const kinds: readonly Kind[] = ['round_robin', 'graylane'];
  const lines = kinds.flatMap((kind) => {
    const runs = results.filter((result) => result.kind === kind);
    return (runs[0]?.steps ?? []).map(({ name }, at) => {
      const of = (read: (step: Step) => number): Spread => spreadOf(runs.map(({ steps }) => read(steps[at] as Step)));
      return {
        kind,
        name,
        longestBlockMs: of(({ cost }) => cost.longestBlockMs),
        activeMs: of(({ cost }) => cost.activeMs),
        firstReadyMs: of(({ cost }) => cost.firstReadyMs),
        opened: of(({ opened }) => opened),
        closed: of(({ closed }) => closed ?? Number.NaN),
      };
    });
  });
  if (values.json === true) {
    console.log(JSON.stringify({ machine, endpoints, rounds, lines }));
    return;
  }
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${endpoints} endpoints, ${rounds} rounds`);
  for (const line of lines) {
    console.log(
      `${line.kind.padEnd(13)}${line.name.padEnd(24)}longest block ms ${show(line.longestBlockMs)}busy ms ${show(line.activeMs)}` +
        `first ready ms ${show(line.firstReadyMs)}opened ${line.opened.median}` +
        (Number.isNaN(line.closed.median) ? '' : ` closed ${line.closed.median}`),
    );
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
