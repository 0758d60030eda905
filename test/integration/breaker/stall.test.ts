import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { StallDetector } from '../../../src/client/breaker/stall';

const TICK_MS = 100;
const DEADLINES_MS = [50, 99, 100, 101, 150, 300];
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

describe('on a clock by hand', () => {
  it('is stalled from the moment a tick is overdue until the turn after it', () => {
    const immediates: (() => void)[] = [];
    const detector = new StallDetector((callback) => immediates.push(callback));
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

  it('is too busy for a short attempt from a late tick until three came in time', () => {
    const detector = new StallDetector((callback) => callback());
    detector.wake(0);
    detector.tick(100);
    expect(detector.isTooBusyFor(60, 110)).toBe(false);
    // The next tick is overdue by 60 ms.
    expect(detector.isTooBusyFor(200, 260)).toBe(true);
    expect(detector.isTooBusyFor(10, 260)).toBe(false);
    detector.tick(300);
    detector.tick(400);
    // It began when the loop had not caught up yet.
    expect(detector.isTooBusyFor(350, 449)).toBe(true);
    expect(detector.isTooBusyFor(40, 449)).toBe(false);
    detector.tick(500);
    detector.tick(600);
    expect(detector.isTooBusyFor(590, 650)).toBe(true);
    expect(detector.isTooBusyFor(601, 650)).toBe(false);
    detector.rest();
    expect(detector.isTooBusyFor(1e9, 1e9 + 50)).toBe(false);
  });

  it('is not stalled while the tick rests, and a second attempt does not move the first tick', () => {
    const detector = new StallDetector(() => undefined);
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
    const detector = new StallDetector((callback) => immediates.push(callback));
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
      const detector = new StallDetector();
      const ticking = tick(detector);
      const [peer, other] = [await echo(), await echo()];
      let believed: readonly unknown[] = [];
      // Another process may take the core in the very turns after the block; but not each time.
      for (let attempt = 0; attempt < 3; attempt += 1) {
        await sleep(250);
        await calm(detector);
        believed = (await endingsOf(detector, where, blockMs, peer, other)).filter(({ isStalled }) => !isStalled);
        if (believed.length === 0) break;
      }
      expect(believed).toEqual([]);
      await calm(detector);
      ticking();
    });
  });

  it('a deadline in a loop that runs freely is believed', async () => {
    const detector = new StallDetector();
    const ticking = tick(detector);
    const judged: boolean[] = [];
    // Another process may take the core for a while, which is a stall as well; but not each time.
    while (judged.length < 20 && !judged.includes(false)) {
      await sleep(350);
      judged.push(detector.isStalled(performance.now()));
    }
    expect(judged).toContain(false);
    ticking();
  });
});

/** How the detector judged each ending that came due while the loop was blocked. */
async function endingsOf(
  detector: StallDetector,
  where: 'timer' | 'immediate' | 'socket' | 'microtask',
  blockMs: number,
  peer: Socket,
  other: Socket,
): Promise<readonly { readonly ending: string; readonly isStalled: boolean }[]> {
  const endings: { readonly ending: string; readonly isStalled: boolean }[] = [];
  const ended = (ending: string): void => {
    endings.push({ ending, isStalled: detector.isStalled(performance.now()) });
  };
  const blocks = (): void => {
    // Deadlines of several lengths lie in different timer lists of Node, before and after the tick's.
    for (const deadlineMs of DEADLINES_MS) setTimeout(() => ended(`deadline ${deadlineMs}`), deadlineMs);
    peer.write('a request');
    block(blockMs);
  };
  peer.once('data', () => ended('answer'));
  if (where === 'socket') {
    other.once('data', blocks);
    other.write('go');
  } else {
    later(where, blocks);
  }
  await until(() => endings.length === DEADLINES_MS.length + 1);
  return endings;
}

function tick(detector: StallDetector): () => void {
  detector.wake(performance.now());
  const timer = setInterval(() => detector.tick(performance.now()), TICK_MS);
  const stop = (): void => clearInterval(timer);
  cleanups.push(stop);
  return stop;
}

async function echo(): Promise<Socket> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
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

function calm(detector: StallDetector): Promise<void> {
  return until(() => !detector.isStalled(performance.now()));
}

async function until(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error('it does not come true');
    await sleep(20);
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
