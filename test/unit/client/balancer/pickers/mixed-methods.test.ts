import { describe, expect, it } from 'vitest';
import { EventHeap } from '../../../../../benchmarks/fleet/event-heap';
import { type Random, seededRandom } from '../../../../../src/base/random';
import { AttemptLink } from '../../../../../src/client/balancer/attempts/attempt-link';
import { MethodTime } from '../../../../../src/client/balancer/attempts/methods';
import type { Connection } from '../../../../../src/client/balancer/endpoints/endpoint';
import { connectionsOf, pickerFor } from '../connections';

interface Method {
  readonly callsPerSecond: number;
  readonly latencyMs: (random: Random) => number;
  readonly kind?: 'call' | 'stream';
}

/** Calls of each endpoint by 5 s, of the first method, once the methods' times are known. */
function simulate(methods: readonly Method[], size: number, seed: number): number[][] {
  const random = seededRandom(seed);
  const ready = connectionsOf(Array.from({ length: size }, () => 1));
  const picker = pickerFor('peak_ewma', ready, random);
  const times = methods.map(() => new MethodTime());
  const running = new EventHeap<{ connection: Connection; attempt: AttemptLink; time: MethodTime }>();
  const arrivals = new EventHeap<number>();
  for (const index of methods.keys()) arrivals.push(0, index);
  const windows: number[][] = [];
  for (let sweepAtMs = 100; sweepAtMs <= 35_000; sweepAtMs += 100) {
    for (;;) {
      const arrival = arrivals.dueBefore(sweepAtMs);
      if (arrival === undefined) break;
      const { atMs, value: index } = arrival;
      for (let due = running.dueBefore(atMs); due !== undefined; due = running.dueBefore(atMs)) {
        const { connection, attempt, time } = due.value;
        time.answered(due.atMs - attempt.startedAtMs, due.atMs);
        connection.endpoint.load.attemptEnded(attempt, due.atMs, 'success');
      }
      const { callsPerSecond, latencyMs, kind } = methods[index] as Method;
      const time = times[index] as MethodTime;
      const lasts = kind === 'stream' || time.isLong;
      const connection = picker.pick({ random, hash: -1, tried: undefined, lasts }) as Connection;
      const attempt = new AttemptLink(time, kind ?? (lasts ? 'long' : 'call'));
      connection.endpoint.load.picked(lasts);
      connection.endpoint.load.attemptStarted(attempt, atMs);
      running.push(atMs + latencyMs(random), { connection, attempt, time });
      arrivals.push(atMs + (-Math.log(1 - random()) * 1_000) / callsPerSecond, index);
      if (index > 0 || atMs < 5_000) continue;
      const window = Math.floor((atMs - 5_000) / 5_000);
      windows[window] ??= ready.map(() => 0);
      const counts = windows[window] as number[];
      counts[ready.indexOf(connection)] = (counts[ready.indexOf(connection)] ?? 0) + 1;
    }
    for (const { endpoint } of ready) endpoint.load.sweep(sweepAtMs);
  }
  return windows;
}

const about =
  (ms: number) =>
  (random: Random): number =>
    ms * (0.7 + 0.6 * random());

describe('quick calls are spread evenly at any 5 s beside', () => {
  it.each<[string, Method, bound?: number]>([
    ['a method that takes 600 ms', { callsPerSecond: 20, latencyMs: about(600) }],
    // Two of these are in flight on average, and count.
    ['a method that takes 100 ms', { callsPerSecond: 20, latencyMs: about(100) }, 0.2],
    // The first of them, before their method is known, count as calls for 300 ms.
    ['long polls of up to 30 s', { callsPerSecond: 1, latencyMs: (random) => 30_000 * random() }, 0.2],
    ['streams of up to 30 s', { callsPerSecond: 1, latencyMs: (random) => 30_000 * random(), kind: 'stream' }],
  ])('%s', (_, other, bound = 0.1) => {
    const quick = { callsPerSecond: 200, latencyMs: about(3) };
    let worst = 0;
    for (const size of [3, 4]) {
      for (const seed of [1, 2, 3]) {
        for (const counts of simulate([quick, other], size, seed)) {
          const total = counts.reduce((a, b) => a + b, 0);
          for (const count of counts) worst = Math.max(worst, Math.abs((count * size) / total - 1));
        }
      }
    }
    expect(worst).toBeLessThan(bound);
  });
});

it.each([3, 10])('one late answer takes nothing away from its endpoint: %i endpoints', (size) => {
  const nothingElse = { callsPerSecond: 0.001, latencyMs: about(3) };
  let worst = 1;
  for (const lateMs of [20, 40, 100]) {
    // One of 1,000: every 10 s or so, at any of the endpoints.
    const latencyMs = (random: Random): number => (random() < 0.001 ? lateMs : about(3)(random));
    for (const seed of [1, 2, 3]) {
      for (const counts of simulate([{ callsPerSecond: 100, latencyMs }, nothingElse], size, seed)) {
        const total = counts.reduce((a, b) => a + b, 0);
        for (const count of counts) worst = Math.min(worst, (count * size) / total);
      }
    }
  }
  expect(worst).toBeGreaterThan(0.7);
});
