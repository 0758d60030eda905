import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createStallDetector, type StallDetector } from '../../src/breaker/stall';

const TICK_MS = 100;
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

describe('on a clock by hand', () => {
  it('is stalled from the moment a tick is overdue until the turn after it', () => {
    const immediates: (() => void)[] = [];
    const detector = createStallDetector({ setImmediate: (callback) => immediates.push(callback) });
    detector.wake(1000);
    expect(detector.isStalled(1300)).toBe(false);
    expect(detector.isStalled(1301)).toBe(true);
    detector.tick(1400);
    expect(detector.isStalled(1400)).toBe(true);
    immediates.shift()?.();
    expect(detector.isStalled(1401)).toBe(true);
    immediates.shift()?.();
    expect(detector.isStalled(1402)).toBe(false);
    expect(immediates).toHaveLength(0);
  });

  it('is not stalled while the tick rests, and a second attempt does not move the first tick', () => {
    const detector = createStallDetector({ setImmediate: () => undefined });
    expect(detector.isStalled(1e9)).toBe(false);
    detector.wake(0);
    detector.wake(250);
    expect(detector.isStalled(310)).toBe(true);
    detector.rest();
    expect(detector.isStalled(1e9)).toBe(false);
    detector.wake(1e9);
    detector.tick(1e9 + 100);
    expect(detector.isStalled(1e9 + 100)).toBe(false);
  });

  it('a stall within the recovery from another is recovered from on its own', () => {
    const immediates: (() => void)[] = [];
    const detector = createStallDetector({ setImmediate: (callback) => immediates.push(callback) });
    detector.wake(0);
    detector.tick(1000);
    immediates.shift()?.();
    detector.tick(2000);
    immediates.shift()?.();
    expect(detector.isStalled(2000)).toBe(true);
    while (immediates.length > 0) immediates.shift()?.();
    expect(detector.isStalled(2000)).toBe(false);
  });
});

/**
 * A real event loop with a request on a real socket, answered at once, whose deadline passes while the loop is blocked in
 * `where`. Tells how the loop judged each of its endings.
 */
describe('in a real event loop', () => {
  describe.each(['timer', 'immediate', 'socket', 'microtask'] as const)('blocked in a %s', (where) => {
    it.each([500, 1000])('for %i ms: nothing that ends for it counts, and soon all does again', async (blockMs) => {
      const detector = createStallDetector();
      const ticking = tick(detector);
      const peer = await echo();
      await sleep(250);
      expect(detector.isStalled(performance.now())).toBe(false);

      const endings: { ending: string; isStalled: boolean }[] = [];
      const ended = (ending: string): void => {
        endings.push({ ending, isStalled: detector.isStalled(performance.now()) });
      };
      // Deadlines of several lengths lie in different timer lists of Node, before and after the tick's.
      for (const deadlineMs of [50, 99, 100, 101, 150, 300])
        setTimeout(() => ended(`deadline ${deadlineMs}`), deadlineMs);
      peer.once('data', () => ended('answer'));
      if (where === 'socket') {
        const other = await echo();
        other.once('data', () => {
          peer.write('x');
          block(blockMs);
        });
        other.write('x');
      } else {
        later(where, () => {
          peer.write('x');
          block(blockMs);
        });
      }
      await sleep(blockMs + 300);
      expect(endings.map(({ ending }) => ending).sort()).toEqual(
        ['answer', ...[50, 99, 100, 101, 150, 300].map((ms) => `deadline ${ms}`)].sort(),
      );
      expect(endings.filter(({ isStalled }) => !isStalled)).toEqual([]);
      expect(detector.isStalled(performance.now())).toBe(false);
      ticking();
    });
  });

  it('a deadline in a loop that runs freely is believed', async () => {
    const detector = createStallDetector();
    const ticking = tick(detector);
    let isStalled: boolean | undefined;
    setTimeout(() => {
      isStalled = detector.isStalled(performance.now());
    }, 350);
    await sleep(500);
    expect(isStalled).toBe(false);
    ticking();
  });
});

function tick(detector: StallDetector): () => void {
  detector.wake(performance.now());
  const timer = setInterval(() => detector.tick(performance.now()), TICK_MS);
  const stop = (): void => clearInterval(timer);
  cleanups.push(stop);
  return stop;
}

async function echo(): Promise<Socket> {
  const server = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  cleanups.push(() => {
    socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return socket;
}

function later(where: 'timer' | 'immediate' | 'microtask', callback: () => void): void {
  if (where === 'timer') setTimeout(callback, 1);
  else if (where === 'immediate') setImmediate(callback);
  else queueMicrotask(callback);
}

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
