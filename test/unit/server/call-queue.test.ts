import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CallQueue, CRITICALITIES, type WaitingCall } from '../../../src/server/call-queue';

/** More than a slice: what comes after it waits. */
const LONG_MS = 15;

function burn(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Calls that take `takesMs` of the thread each, and what became of them, in order. */
function world(maxWaitMs: number): {
  queue: CallQueue;
  enter: (name: string, level: number, takesMs?: number) => WaitingCall;
  seen: string[];
} {
  const seen: string[] = [];
  const queue = new CallQueue(maxWaitMs, (level) => seen.push(`level ${level}`));
  const enter = (name: string, level: number, takesMs = 0): WaitingCall => {
    const call = {
      pass: () => {
        seen.push(name);
        burn(takesMs);
      },
      refuse: () => seen.push(`${name} refused`),
      isCancelled: false,
    };
    queue.enter(level, call);
    return call;
  };
  return { queue, enter, seen };
}

async function until(seen: readonly string[], count: number): Promise<void> {
  while (seen.length < count) await nextTurn();
}

describe('the queue of calls', () => {
  it('lets a call begin at once while the process keeps up', async () => {
    const { enter, seen } = world(100);
    for (const level of CRITICALITIES.keys()) {
      enter(`level ${level}`, level);
      expect(seen).toHaveLength(level + 1);
      await nextTurn();
    }
  });

  it('begins the most important first, and the older of equal ones', async () => {
    const { enter, seen } = world(10_000);
    enter('busy', 1, LONG_MS);
    for (const [name, level] of [
      ['d', 3],
      ['c', 2],
      ['b1', 1],
      ['a', 0],
      ['b2', 1],
    ] as const)
      enter(name, level, LONG_MS);
    expect(seen).toEqual(['busy']);
    await until(seen, 6);
    expect(seen).toEqual(['busy', 'a', 'b1', 'b2', 'c', 'd']);
  });

  it('lets a more important one overtake what waits', async () => {
    const { enter, seen } = world(10_000);
    enter('busy', 1, LONG_MS);
    enter('s1', 3, LONG_MS);
    enter('s2', 3, LONG_MS);
    await until(seen, 2);
    enter('late but critical', 0, LONG_MS);
    await until(seen, 4);
    expect(seen).toEqual(['busy', 's1', 'late but critical', 's2']);
  });

  it('refuses what has waited too long, and only that', async () => {
    const { enter, seen } = world(30);
    enter('busy', 1, LONG_MS);
    enter('old', 1);
    burn(40);
    enter('new', 1);
    await until(seen, 4);
    expect(seen).toEqual(['busy', 'level 1', 'old refused', 'new']);
  });

  it('neither begins nor refuses a call that was cancelled while it waited', async () => {
    const { enter, seen } = world(10_000);
    enter('busy', 1, LONG_MS);
    enter('cancelled', 0).isCancelled = true;
    enter('waits', 1);
    await until(seen, 2);
    expect(seen).toEqual(['busy', 'waits']);
  });

  it('goes on after a call that throws', async () => {
    const listeners = process.listeners('uncaughtException');
    const thrown: unknown[] = [];
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error));
    try {
      const { queue, enter, seen } = world(10_000);
      enter('busy', 1, LONG_MS);
      const refuse = (): void => {};
      queue.enter(0, { pass: () => JSON.parse('{'), refuse, isCancelled: false });
      enter('waits', 1);
      await until(seen, 2);
      expect(seen).toEqual(['busy', 'waits']);
      expect(thrown).toEqual([expect.any(SyntaxError)]);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('leaves the event loop its turns between slices', async () => {
    const { enter, seen } = world(10_000);
    for (let n = 0; n < 30; n += 1) enter(`${n}`, 1, 5);
    let turns = 0;
    while (seen.length < 30) {
      await nextTurn();
      turns += 1;
    }
    // Two or three calls a slice.
    expect(turns).toBeGreaterThanOrEqual(9);
  });
});
