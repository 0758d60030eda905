import type { Client } from '@grpc/grpc-js';
import * as grpc from '@grpc/grpc-js';
import { createGraylane, type Graylane, type PolicyDocument } from '../../src/index';
import { callLedger, Ledger, type LedgerMethod } from './ledger';
import { type LedgerInstances, type LedgerSettings, startLedgerInstances } from './ledger-instances';

export interface Ordeal {
  /** What happens to one instance after the other, and how often. */
  readonly disturbance: 'kill' | 'restart';
  readonly times: number;
  /** At least as many calls; they go on until the last disturbance is over. */
  readonly calls: number;
  readonly methods: readonly LedgerMethod[];
  readonly policy: Omit<PolicyDocument, 'schema' | 'service'>;
  readonly settings: LedgerSettings;
}

export interface OrdealResult {
  readonly made: number;
  /** Calls that did not end OK. */
  readonly lost: readonly LostCall[];
  /** IDs of calls that were begun more than once, with the number of times. */
  readonly repeated: readonly (readonly [id: string, executions: number])[];
  readonly mostExecutions: number;
  /** Calls that ended OK and were never begun: 0, or the count is wrong. */
  readonly uncounted: number;
}

export interface LostCall {
  readonly id: string;
  readonly code: string;
  readonly details: string;
  readonly executions: number;
}

const INSTANCES = 3;
const CALLERS = 16;
/** A caller's pause between two calls, so that two cores have time for the servers. */
const PAUSE_MS = 10;

/** Calls go on at a steady pace while instances are killed, or restarted, one after the other. */
export async function endure(ordeal: Ordeal): Promise<OrdealResult> {
  const instances = await startLedgerInstances(INSTANCES, ordeal.settings);
  try {
    const graylane = createGraylane({
      instances: { ledger: instances.ports.map((port) => ({ address: '127.0.0.1', port })) },
      policies: { ledger: { schema: 1, service: 'ledger', ...ordeal.policy } },
      telemetry: false,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
    try {
      const client = new Ledger(
        graylane.target('ledger'),
        grpc.credentials.createInsecure(),
        graylane.clientOptions(),
      ) as unknown as Client;
      await graylane.ready('ledger');
      const ended = await callWhile(client, ordeal, disturb(instances, ordeal, graylane));
      client.close();
      return judge(ended, instances.executions());
    } finally {
      await graylane.close();
    }
  } finally {
    await instances.stop();
  }
}

async function disturb(instances: LedgerInstances, { disturbance, times }: Ordeal, graylane: Graylane): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    // Whoever restarts one instance after the other waits until the last one serves; else nobody may be left.
    await allConnected(graylane);
    if (disturbance === 'kill') await instances.kill(time % INSTANCES);
    else await instances.restart(time % INSTANCES);
  }
}

async function allConnected(graylane: Graylane): Promise<void> {
  const isReady = ({ connections }: { readonly connections: readonly string[] }): boolean =>
    connections.includes('ready');
  while (graylane.inspect().services[0]?.endpoints.every(isReady) !== true) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function callWhile(
  client: Client,
  { methods, calls }: Ordeal,
  disturbing: Promise<void>,
): Promise<Map<string, grpc.StatusObject>> {
  const ended = new Map<string, grpc.StatusObject>();
  let isDisturbing = true;
  let begun = 0;
  const disturbed = disturbing.finally(() => {
    isDisturbing = false;
  });
  const callOn = async (): Promise<void> => {
    while (isDisturbing || begun < calls) {
      const index = begun;
      begun += 1;
      const method = methods[index % methods.length] as LedgerMethod;
      const id = `${method}-${index}`;
      ended.set(id, await callLedger(client, method, id));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  await Promise.all([disturbed, ...Array.from({ length: CALLERS }, callOn)]);
  return ended;
}

function judge(ended: ReadonlyMap<string, grpc.StatusObject>, executions: ReadonlyMap<string, number>): OrdealResult {
  const lost: LostCall[] = [];
  let uncounted = 0;
  for (const [id, { code, details }] of ended) {
    const times = executions.get(id) ?? 0;
    if (code !== grpc.status.OK) lost.push({ id, code: String(grpc.status[code]), details, executions: times });
    else if (times === 0) uncounted += 1;
  }
  const repeated = [...executions].filter(([, times]) => times > 1);
  return {
    made: ended.size,
    lost,
    repeated,
    mostExecutions: Math.max(0, ...executions.values()),
    uncounted,
  };
}

/** One line for each way in which calls were lost. */
export function describeLost(lost: readonly LostCall[]): string {
  const kinds = new Map<string, number>();
  for (const { code, details, executions } of lost) {
    const kind = `${code}: ${details.replace(/\d+/g, '#')} (begun ${executions} times)`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].map(([kind, count]) => `${count} x ${kind}`).join('\n');
}
