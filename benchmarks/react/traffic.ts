import * as grpc from '@grpc/grpc-js';
import type { PaymentsClient } from '../peers/payments';

/** One call, times on `performance.now()`. */
interface SeenCall {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Name of the instance that answered; undefined when the call failed. */
  readonly servedBy: string | undefined;
  readonly details: string | undefined;
}

/** Calls at a steady rate, whether or not the former ones have ended. */
export interface Traffic {
  /** The first call, begun from now on, that fits. Rejects when none has come in `withinMs`. */
  next(fits: (call: SeenCall) => boolean, withinMs?: number): Promise<SeenCall>;
  /** When the last call that this instance answered had begun; -Infinity if none did. */
  lastStartedAtMs(servedBy: string): number;
  /** Calls that failed since the last time this was asked. */
  takeFailures(): readonly SeenCall[];
  stop(): Promise<void>;
}

export interface TrafficOptions {
  readonly client: PaymentsClient;
  readonly everyMs: number;
  /** Runs each call; the default just makes it. */
  readonly around?: (call: () => Promise<void>) => Promise<void>;
}

const DEADLINE_MS = 5_000;
const REACTION_LIMIT_MS = 30_000;

interface Waiting {
  readonly sinceMs: number;
  readonly fits: (call: SeenCall) => boolean;
  readonly settle: (call: SeenCall) => void;
}

export function startTraffic({ client, everyMs, around = (call) => call() }: TrafficOptions): Traffic {
  const waiting = new Set<Waiting>();
  const last = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let failures: SeenCall[] = [];
  const one = async (): Promise<void> => {
    const startedAtMs = performance.now();
    const answered = await charge(client);
    const call = { startedAtMs, endedAtMs: performance.now(), ...answered };
    if (call.servedBy === undefined) failures.push(call);
    else last.set(call.servedBy, Math.max(startedAtMs, last.get(call.servedBy) ?? Number.NEGATIVE_INFINITY));
    for (const each of waiting) if (startedAtMs >= each.sinceMs && each.fits(call)) each.settle(call);
  };
  const timer = setInterval(() => {
    const call = around(one).finally(() => running.delete(call));
    running.add(call);
  }, everyMs);
  return {
    next: (fits, withinMs = REACTION_LIMIT_MS) =>
      new Promise((resolve, reject) => {
        const settle = (call: SeenCall): void => {
          clearTimeout(limit);
          waiting.delete(entry);
          resolve(call);
        };
        const entry: Waiting = { sinceMs: performance.now(), fits, settle };
        const limit = setTimeout(() => {
          waiting.delete(entry);
          reject(new Error(`no such call within ${withinMs} ms`));
        }, withinMs);
        waiting.add(entry);
      }),
    lastStartedAtMs: (servedBy) => last.get(servedBy) ?? Number.NEGATIVE_INFINITY,
    takeFailures: () => {
      const taken = failures;
      failures = [];
      return taken;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(running);
    },
  };
}

function charge(client: PaymentsClient): Promise<Pick<SeenCall, 'servedBy' | 'details'>> {
  return new Promise((resolve) =>
    client.charge({ order: 'o-1' }, new grpc.Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, reply) =>
      resolve({ servedBy: error === null ? reply?.servedBy : undefined, details: error?.details }),
    ),
  );
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
