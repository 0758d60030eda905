import * as grpc from '@grpc/grpc-js';
import type { Random } from '../../src/base/random';
import type { Graylane } from '../../src/index';
import { callLedger, Ledger, type LedgerMethod } from '../field/ledger';
import { LANE } from './ledger-world';
import type { Losses } from './losses';
import { startPacedCalls } from './paced-calls';

/** What a call of it does: whether it may run again is said by the definition. */
const METHODS: readonly LedgerMethod[] = [
  'Record',
  'Record',
  'Record',
  'RecordAgain',
  'RecordAgain',
  'Read',
  'Read',
  'RecordMany',
  'RecordAndWatch',
  'RecordAndTalk',
];
const MAY_RUN_AGAIN: ReadonlySet<LedgerMethod> = new Set(['RecordAgain', 'Read']);
const DEADLINE_MS = 4_000;
/** Far longer than an answer takes: its instance was ill. */
const LATE_MS = 900;
/** Of streams that say nothing for a while. */
const LONG_DEADLINE_MS = 30_000;
/** How long a fault of the network is felt after its end: TCP waits longer each time before it sends again. */
const FELT_MS = 10_000;

/** A span of time in which an instance or its network was ill. Open while it lasts. */
interface Spell {
  readonly name: string;
  readonly beganMs: number;
  endedMs: number;
  /** Calls that may not run again, and were out at the ill instance. */
  lost: number;
}

export interface LedgerTraffic {
  readonly calls: number;
  readonly cancelled: number;
  /** Calls that took longer than usual by far, well or not. */
  readonly late: number;
  /** Instances fell ill; the returned function says that they are well. */
  fallIll(name: string): () => void;
  readonly spells: readonly Spell[];
  stop(): Promise<void>;
}

/**
 * All kinds of calls, some of which their caller cancels, some in a lane. The ID of one that may run again begins with `a`.
 * `losses` gets each of those that fails, and each of the others that fails while every instance is well.
 */
export function startLedgerTraffic(
  graylane: Graylane,
  perSecond: number,
  random: Random,
  losses: Losses,
): LedgerTraffic {
  const client = new Ledger(
    graylane.target('ledger'),
    grpc.credentials.createInsecure(),
    graylane.clientOptions(),
  ) as unknown as grpc.Client;
  const spells: Spell[] = [];
  let cancelled = 0;
  let late = 0;
  const one = async (number: number): Promise<void> => {
    const method = METHODS[Math.floor(random() * METHODS.length)] as LedgerMethod;
    const mayRunAgain = MAY_RUN_AGAIN.has(method);
    const isLong = method === 'RecordAndWatch' && random() < 0.1;
    const cancelAfterMs = random() < 0.05 ? random() * 40 : undefined;
    const labels: Record<string, string> = random() < 0.1 ? { 'x-lane': LANE } : {};
    const id = `${mayRunAgain ? 'a' : 'm'}${number}${isLong ? '~5000' : ''}`;
    const beganMs = performance.now();
    const cancelling = (call: { cancel(): void }): void => {
      if (cancelAfterMs !== undefined) setTimeout(() => call.cancel(), cancelAfterMs);
    };
    const deadlineMs = isLong ? LONG_DEADLINE_MS : DEADLINE_MS;
    const { code, details } = await callLedger(client, method, id, deadlineMs, labels, cancelling);
    if (!isLong && performance.now() - beganMs > LATE_MS) late += 1;
    if (code === grpc.status.OK) return;
    if (cancelAfterMs !== undefined && code === grpc.status.CANCELLED) {
      cancelled += 1;
      return;
    }
    const ill = spells.findLast(({ endedMs }) => endedMs + FELT_MS > beganMs);
    if (ill !== undefined && !mayRunAgain) ill.lost += losses.isOfMachine(beganMs) ? 0 : 1;
    else
      losses.add(
        `${method} ${labels['x-lane'] ?? ''}: ${code} ${details} (last ill: ${ill?.name ?? 'nobody'})`,
        beganMs,
      );
  };
  const paced = startPacedCalls(perSecond, one);
  return {
    get calls() {
      return paced.begun;
    },
    get cancelled() {
      return cancelled;
    },
    get late() {
      return late;
    },
    spells,
    fallIll(name) {
      const spell: Spell = { name, beganMs: performance.now(), endedMs: Number.POSITIVE_INFINITY, lost: 0 };
      spells.push(spell);
      return () => {
        spell.endedMs = performance.now();
      };
    },
    stop: async () => {
      await paced.stop();
      client.close();
    },
  };
}

/** Opens a Graylane client of its own, makes a call with it, closes it. What went wrong, if anything. */
export async function openAndClose(open: () => Graylane, number: number): Promise<string | undefined> {
  const graylane = open();
  const client = new Ledger(
    graylane.target('ledger'),
    grpc.credentials.createInsecure(),
    graylane.clientOptions(),
  ) as unknown as grpc.Client;
  try {
    const { code, details } = await callLedger(client, 'Read', `a-new-${number}`, 30_000);
    return code === grpc.status.OK ? undefined : `a new client: ${code} ${details}`;
  } finally {
    client.close();
    await graylane.close();
  }
}

/** IDs of calls that were begun more than once, of those that may not be. */
export function ranTwice(executions: ReadonlyMap<string, number>): string[] {
  return [...executions].flatMap(([id, times]) => (id.startsWith('m') && times > 1 ? [`${id}: ${times} times`] : []));
}
