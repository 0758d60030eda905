import type { CallReport, Graylane } from 'graylane';
import { type ChargeReply, createPaymentsClient } from '../shared/payments';

/** One call that has ended. Times are `performance.now()`. */
export interface CallRecord {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly user: string;
  readonly isGray: boolean;
  /** Undefined: the call failed for its caller. */
  readonly reply: ChargeReply | undefined;
  readonly report: CallReport | undefined;
}

/** Steady live traffic: about 200 calls a second, a tenth of them by a tester who passes `x-gray: canary`. */
export interface Traffic {
  readonly records: readonly CallRecord[];
  /** Those begun at or after a moment. */
  since(startedAtMs: number): readonly CallRecord[];
  /** Testers rest while the canary is broken on purpose: their strict route has no fallback. */
  setTesting(isTesting: boolean): void;
  /** Waits for the calls in flight. */
  stop(): Promise<void>;
}

const TICK_MS = 50;
const PER_TICK = 10;
const USERS = 500;
/** A client that falls behind makes fewer calls rather than a pile of them. */
const MOST_IN_FLIGHT = 200;

/** `keepsRecords`: false for traffic without end. */
export function startTraffic(graylane: Graylane, keepsRecords: boolean = true): Traffic {
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  const records: CallRecord[] = [];
  let isTesting = true;
  let inFlight = 0;
  let whenIdle: (() => void) | undefined;

  const call = (isGray: boolean): void => {
    const user = `u-${Math.floor(Math.random() * USERS)}`;
    const labels = isGray ? { 'x-gray': 'canary', 'x-user-id': user } : { 'x-user-id': user };
    const startedAtMs = performance.now();
    let report: CallReport | undefined;
    const observe = (ended: CallReport): void => {
      report = ended;
    };
    inFlight += 1;
    graylane.with({ observe }, () =>
      client.charge({ order: 'o-1' }, graylane.metadata(labels), { deadline: Date.now() + 2_000 }, (error, reply) => {
        const answer = error === null ? reply : undefined;
        if (keepsRecords)
          records.push({ startedAtMs, endedAtMs: performance.now(), user, isGray, reply: answer, report });
        inFlight -= 1;
        if (inFlight === 0) whenIdle?.();
      }),
    );
  };

  const timer = setInterval(() => {
    for (let index = 0; index < PER_TICK && inFlight < MOST_IN_FLIGHT; index += 1) call(isTesting && index === 0);
  }, TICK_MS);

  return {
    records,
    since: (startedAtMs) => records.filter((record) => record.startedAtMs >= startedAtMs),
    setTesting: (wanted) => {
      isTesting = wanted;
    },
    async stop() {
      clearInterval(timer);
      if (inFlight > 0) {
        await new Promise<void>((resolve) => {
          whenIdle = resolve;
        });
      }
      client.close();
    },
  };
}
