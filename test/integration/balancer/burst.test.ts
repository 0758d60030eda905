import { describe, expect, it } from 'vitest';
import { createGraylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { printFact } from '../../support/figure';
import { untilConnected } from '../../support/until-ready';
import {
  type HeldCall,
  heldClient,
  holdCall,
  KINDS,
  type Kind,
  startHeldServer,
} from '../connections/held-calls-server';

const CALLS = 100;
const closing = closeAfterEach();

/** Servers that are all connected, and what each of them holds. */
async function world(size: number, algorithm: 'peak_ewma' | 'least_request') {
  const servers = await Promise.all(
    Array.from({ length: size }, async () => closing(await startHeldServer(), (server) => server.kill())),
  );
  const retry = { maxAttempts: 2, retryableStatusCodes: ['UNAVAILABLE'] } as const;
  const policy: PolicyDocument = {
    schema: 1,
    service: 'held',
    balancing: { algorithm },
    retry,
    retryBudget: { minPerSecond: 100 },
  };
  const instances = servers.map(({ instance }) => instance);
  const options = { instances: { held: instances }, policies: { held: policy } };
  const graylane = closing(createGraylane(options), (opened) => opened.close());
  const client = closing(heldClient(graylane.target('held'), graylane.clientOptions()), (opened) => opened.close());
  const open = (): number[] => servers.map((server) => server.open);
  const sum = (): number => open().reduce((all, count) => all + count, 0);
  const hold = (kind: Kind): HeldCall => holdCall(client, kind);
  const first = hold('unary');
  await untilConnected(graylane, size);
  await expect.poll(sum).toBe(1);
  // The method is known to take long: calls that are held later are overdue after ten times as long.
  await pause(200);
  for (const server of servers) server.finish();
  await first.ended;
  return { hold, open, sum, servers };
}

const WORLDS = [
  [2, 1],
  [3, 2],
] as const;
const ROWS = KINDS.flatMap((kind) => WORLDS.map(([size, underWay]) => [kind, size, underWay] as const));

/** grpc-js picks for all calls that are made in one turn before it starts the first of them. */
describe('a burst of calls in one turn is spread', () => {
  it.each([...ROWS, ['unary', 2, 0], ['unary', 2, 3], ['unary', 3, 1], ['unary', 5, 3]] as const)(
    '%s, over %i servers, %i calls under way',
    async (kind, size, underWay) => {
      for (const algorithm of ['peak_ewma', 'least_request'] as const) {
        const { hold, open, sum } = await world(size, algorithm);
        for (let call = 1; call <= underWay; call += 1) {
          hold(kind);
          await expect.poll(sum).toBe(call);
        }
        const before = open();
        for (let call = 0; call < CALLS; call += 1) hold(kind);
        await expect.poll(sum).toBe(underWay + CALLS);
        const after = open();
        printFact(
          `${CALLS} ${kind} calls in one turn, ${algorithm}`,
          `${before.join(' / ')}, then ${after.join(' / ')}`,
        );
        expect(Math.max(...after) - Math.min(...after)).toBeLessThanOrEqual(CALLS / size / 4);
      }
    },
  );
});

it.each(['peak_ewma', 'least_request'] as const)(
  'calls that lose their server together are spread again: %s',
  async (name) => {
    const { hold, sum, servers } = await world(3, name);
    for (let call = 0; call < 90; call += 1) hold('unary');
    await expect.poll(sum).toBe(90);
    const [first, ...others] = servers;
    const lost = first?.open ?? 0;
    const before = others.map((server) => server.open);
    first?.drop();
    await expect.poll(() => others.reduce((all, server) => all + server.open, 0)).toBe(90);
    const after = others.map((server) => server.open);
    printFact(`${lost} calls lose their server, ${name}`, `${before.join(' / ')}, then ${after.join(' / ')}`);
    expect(Math.abs((after[0] ?? 0) - (after[1] ?? 0))).toBeLessThanOrEqual(6);
  },
);
