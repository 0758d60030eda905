import { type ChargeReply, charge, type PaymentsClient } from '../../support/payments';

/** One call of a steady stream, times on `performance.now()`. */
export interface Call {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly reply: ChargeReply;
}

export interface Traffic {
  /** Resolves with the first call, begun from now on, that fits. */
  next(fits: (call: Call) => boolean): Promise<Call>;
  readonly failures: readonly unknown[];
  stop(): Promise<void>;
}

/** Calls one after another with a breath between them, until stopped. */
export function startTraffic(client: PaymentsClient, seen: (call: Call) => void = () => {}): Traffic {
  const waiting = new Map<(call: Call) => boolean, (call: Call) => void>();
  const failures: unknown[] = [];
  let isStopped = false;
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const startedAtMs = performance.now();
      try {
        const reply = await charge(client);
        const call = { startedAtMs, endedAtMs: performance.now(), reply };
        seen(call);
        for (const [fits, resolve] of waiting) {
          if (!fits(call)) continue;
          waiting.delete(fits);
          resolve(call);
        }
      } catch (error) {
        failures.push(error);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const running = run();
  return {
    failures,
    next: (fits) => {
      const sinceMs = performance.now();
      return new Promise((resolve) => {
        waiting.set((call) => call.startedAtMs >= sinceMs && fits(call), resolve);
      });
    },
    stop: async () => {
      isStopped = true;
      await running;
    },
  };
}
