import { connect, createServer } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { createGraylane } from '../../../src/index';
import { startDatacenter } from '../../faults/fixtures/datacenter-process';
import { closeAfterEach, pause } from '../../support/closers';
import { charge, type PaymentsClient, paymentsClient } from '../../support/payments';
import { sliceOf } from '../../support/slice';

const BLOCK_MS = 1_000;
/** Between one block and the next: enough for a tick or two in time. */
const FREE_MS = 300;
const BLOCKS = 4;
const closing = closeAfterEach();
let isOver = false;
afterEach(() => {
  isOver = true;
});

function block(): void {
  const until = performance.now() + BLOCK_MS;
  while (performance.now() < until);
}

/** Each blocks the loop again and again, from another phase of it. */
const forms: Record<string, (client: PaymentsClient) => void> = {
  'a timer': () => {
    const again = (): void =>
      void setTimeout(() => {
        if (isOver) return;
        block();
        again();
      }, FREE_MS);
    again();
  },
  'an interval': () => {
    const interval = setInterval(() => (isOver ? clearInterval(interval) : block()), BLOCK_MS + FREE_MS);
  },
  'an immediate': () => {
    const again = (): void =>
      void setTimeout(
        () =>
          setImmediate(() => {
            if (isOver) return;
            block();
            again();
          }),
        FREE_MS,
      );
    again();
  },
  'a microtask': () => {
    const again = (): void =>
      void setTimeout(
        () =>
          queueMicrotask(() => {
            if (isOver) return;
            block();
            again();
          }),
        FREE_MS,
      );
    again();
  },
  'the callback of a call': (client) => {
    const again = (): void =>
      void setTimeout(() => {
        client.charge({}, () => {
          if (isOver) return;
          block();
          again();
        });
      }, FREE_MS);
    again();
  },
  'a socket callback': () => {
    const server = closing(
      createServer((socket) => socket.on('error', () => undefined).pipe(socket)),
      (one) => one.close(),
    );
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      const socket = closing(connect(port, '127.0.0.1'), (one) => one.destroy());
      socket.on('error', () => undefined);
      socket.on('data', () => {
        if (isOver) return;
        block();
        setTimeout(() => socket.write('again'), FREE_MS);
      });
      socket.write('begin');
    });
  },
};

const DEADLINES_MS = [50, 100, 150, 200];
const CALLS_PER_SECOND = 100;

/** T6 of the field: calls that waited for the loop come in a burst, which keeps it busy for longer than their deadlines. */
it.each(sliceOf(Object.keys(forms), 2))(
  'a loop blocked again and again in %s opens no breaker of healthy endpoints',
  async (form) => {
    isOver = false;
    const place = closing(await startDatacenter('local', 3), (one) => one.kill());
    const opened: unknown[] = [];
    const perDeadline = DEADLINES_MS.map(async (deadlineMs) => {
      const graylane = closing(createGraylane({ instances: { payments: place.instances } }), (one) => one.close());
      const client = closing(paymentsClient(graylane.target('payments'), graylane.clientOptions()), (one) =>
        one.close(),
      );
      await graylane.ready('payments');
      for (let time = 0; time < 60; time += 1) await charge(client, {});
      graylane.breakers.subscribe(({ key, event }) => {
        if (event !== 'open') return;
        const because = graylane.breakers.list().find((one) => one.key === key)?.openedBecause;
        opened.push(`deadline ${deadlineMs}: ${because}`);
      });
      return { client, deadlineMs, made: 0 };
    });
    const callers = await Promise.all(perDeadline);
    const beganAtMs = performance.now();
    // As callers do who have waited for the loop: those that are late come at once.
    const calls = setInterval(() => {
      const due = ((performance.now() - beganAtMs) * CALLS_PER_SECOND) / 1_000;
      for (const caller of callers) {
        for (; caller.made < due; caller.made += 1) {
          charge(caller.client, {}, { deadline: Date.now() + caller.deadlineMs }).catch(() => undefined);
        }
      }
    }, 5);
    const [first] = callers;
    if (first !== undefined) forms[form]?.(first.client);
    await pause(BLOCKS * (BLOCK_MS + FREE_MS));
    isOver = true;
    clearInterval(calls);
    await pause(300);
    expect(opened).toEqual([]);
  },
);
