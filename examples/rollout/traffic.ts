import type { Graylane } from 'graylane';
import type { EndedCall } from '../shared/attempt-figures';
import { createPaymentsClient } from '../shared/payments';

/** 300 calls a second by a thousand users. */
export interface Traffic {
  readonly ended: readonly EndedCall[];
  readonly lost: number;
  /** Which version answered last, by how many of the last 100 calls. */
  versions(): ReadonlyMap<string, number>;
  stop(): void;
}

const TICK_MS = 20;
const PER_TICK = 6;
const USERS = 1_000;

export function startTraffic(graylane: Graylane): Traffic {
  const client = createPaymentsClient(graylane.target('payments'), graylane.clientOptions());
  const ended: EndedCall[] = [];
  const answered: string[] = [];
  let lost = 0;
  const call = (): void => {
    const observe = (report: EndedCall['report']): void => void ended.push({ endedAtMs: Date.now(), report });
    const labels = { 'x-user-id': `u-${Math.floor(Math.random() * USERS)}` };
    graylane.with({ observe }, () =>
      client.charge({ order: 'o-1' }, graylane.metadata(labels), { deadline: Date.now() + 10_000 }, (error, reply) => {
        if (error !== null) lost += 1;
        answered.push(reply?.version ?? 'lost');
      }),
    );
  };
  const timer = setInterval(() => {
    for (let index = 0; index < PER_TICK; index += 1) call();
  }, TICK_MS);
  return {
    ended,
    get lost() {
      return lost;
    },
    versions() {
      const counts = new Map<string, number>();
      for (const version of answered.slice(-100)) counts.set(version, (counts.get(version) ?? 0) + 1);
      return counts;
    },
    stop() {
      clearInterval(timer);
      client.close();
    },
  };
}
