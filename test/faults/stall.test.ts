import { connect, createServer, type Server } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { createGraylane, type Graylane } from '../../src/index';
import { closeAfterEach, pause } from '../support/closers';
import { printFact } from '../support/figure';
import { charge, paymentsClient } from '../support/payments';
import { sliceOf } from '../support/slice';
import { startDatacenter } from './fixtures/datacenter-process';
import { lostOf, type SteadyCalls, startCalls } from './fixtures/steady-calls';

const BLOCKS_MS = [5_000, 500];
const opened = closeAfterEach();
afterEach(() => vi.unstubAllGlobals());

interface World {
  readonly graylane: Graylane;
  readonly calls: SteadyCalls;
  readonly events: string[];
  /** Calls that are all out when the loop stops. */
  burst(): Promise<unknown>;
}

async function world(): Promise<World> {
  const place = opened(await startDatacenter('local', 3), (each) => each.kill());
  const graylane = createGraylane({ instances: { payments: place.instances } });
  opened(graylane, () => graylane.close());
  const events: string[] = [];
  graylane.breakers.subscribe(({ key, event }) => events.push(`${key} ${event}`));
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  await graylane.ready('payments');
  const calls = startCalls(client, 200, 500);
  opened(calls, () => calls.stop());
  await pause(500);
  const burst = (): Promise<unknown> =>
    Promise.allSettled(Array.from({ length: 30 }, () => charge(client, {}, { deadline: Date.now() + 500 })));
  return { graylane, calls, events, burst };
}

function block(blockMs: number): void {
  const until = performance.now() + blockMs;
  while (performance.now() < until);
}

const blockedIn: Record<string, (blockMs: number) => void> = {
  'a timer': (blockMs) => void setTimeout(() => block(blockMs), 1),
  setImmediate: (blockMs) => void setImmediate(() => block(blockMs)),
  'a socket callback': (blockMs) => {
    const server: Server = createServer((socket) => socket.end('now'));
    opened(server, (each) => each.close());
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      connect(port, '127.0.0.1').on('data', () => block(blockMs));
    });
  },
};

for (const [where, begin] of sliceOf(Object.entries(blockedIn), 1)) {
  it(`an event loop blocked in ${where} moves no breaker`, async () => {
    const { graylane, calls, events, burst } = await world();
    for (const blockMs of BLOCKS_MS) {
      begin(blockMs);
      const out = burst();
      await pause(blockMs + 600);
      await out;
    }
    await calls.stop();
    printFact(
      `event loop blocked ${BLOCKS_MS.join(' and ')} ms in ${where}`,
      `${lostOf(calls)}, ${events.length} breaker events`,
    );
    expect(events).toEqual([]);
    expect(graylane.breakers.list().filter(({ counts }) => counts.failures > 0)).toEqual([]);
  });
}

for (const hours of sliceOf([1, -1], 1)) {
  it(`a wall clock moved by ${hours} h moves no breaker`, async () => {
    const { graylane, calls, events } = await world();
    const RealDate = Date;
    const shiftMs = hours * 3_600_000;
    vi.stubGlobal(
      'Date',
      class extends RealDate {
        constructor(...given: [] | [number]) {
          super(given.length === 0 ? RealDate.now() + shiftMs : given[0]);
        }
        static override now(): number {
          return RealDate.now() + shiftMs;
        }
      },
    );
    await pause(1_500);
    vi.unstubAllGlobals();
    await pause(700);
    await calls.stop();
    printFact(`wall clock moved by ${hours} h and back`, `${lostOf(calls)}, ${events.length} breaker events`);
    expect(events).toEqual([]);
    expect(graylane.breakers.list()).toEqual([]);
    expect(calls.answers.length).toBeGreaterThan(300);
  });
}
