import * as grpc from '@grpc/grpc-js';
import type { Graylane, PolicyDocument } from '../../src/index';
import { loadPackage } from '../variants/package';
import { type PaymentsClient, paymentsClient } from './payments';
import { answerParent, argumentOf } from './peer';

/** A client process with many channels to one service: a client for each tenant, or for each module of a program. */
export interface ManyChannelsOptions {
  readonly kind: 'round_robin' | 'graylane';
  readonly addresses: readonly string[];
  /** As grpc-js' option; its least is 1,000. */
  readonly idleTimeoutMs?: number;
}

export type ManyChannelsQuestion =
  /** Opens so many channels and makes one call on each. */
  | { readonly open: number }
  /** So many calls a second, on one channel after another. `changes`: how often the last address leaves or comes back. */
  | { readonly callsPerSecond: number; readonly forMs: number; readonly changes: number }
  /** Closes nothing, but holds no client any more. */
  | 'drop'
  | 'heap';

/** What the process did while it answered. */
export interface Work {
  readonly cpuMs: number;
  /** Longest time in which nothing else could run. */
  readonly longestBlockMs: number;
  readonly failed: number;
}

interface Fleet {
  make(): PaymentsClient;
  setList(addresses: readonly string[]): void;
}

const POLICY: PolicyDocument = {
  schema: 1,
  service: 'payments',
  balancing: { algorithm: 'round_robin' },
  retry: 'off',
  // So quick that the breaker of an endpoint that fails on and off opens and closes with it.
  breaker: { consecutiveFailures: 2, resetTimeoutMs: 200, maxResetTimeoutMs: 200, failureStatusCodes: ['INTERNAL'] },
};

const RESOLVER = 'many';
const listeners = new Set<() => void>();
let current: readonly string[] = [];

/** What grpc-js users have for a list that changes: a resolver that hands over the new one, one for each channel. */
class ListResolver implements grpc.experimental.Resolver {
  static getDefaultAuthority(): string {
    return 'many';
  }
  readonly #publish: () => void;

  constructor(_target: unknown, listener: grpc.experimental.ResolverListener) {
    this.#publish = () => {
      const endpoints = current.map((address) => ({ addresses: [addressOf(address)] }));
      listener(grpc.experimental.statusOrFromValue(endpoints), {}, null, '');
    };
  }
  updateResolution(): void {
    listeners.add(this.#publish);
    setImmediate(this.#publish);
  }
  destroy(): void {
    listeners.delete(this.#publish);
  }
}

function addressOf(text: string): { host: string; port: number } {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}

function plainFleet(options: grpc.ClientOptions): Fleet {
  grpc.experimental.registerResolver(RESOLVER, ListResolver as never);
  return {
    make: () =>
      paymentsClient(`${RESOLVER}:///payments`, {
        ...options,
        'grpc.enable_http_proxy': 0,
        'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }], methodConfig: [] }),
      }),
    setList(addresses) {
      current = addresses;
      for (const publish of [...listeners]) publish();
    },
  };
}

function graylaneFleet(options: grpc.ClientOptions): Fleet {
  const graylane: Graylane = loadPackage().createGraylane({
    instances: { payments: [] },
    policies: { payments: POLICY },
  });
  return {
    make: () => paymentsClient(graylane.target('payments'), graylane.clientOptions(options)),
    setList(addresses) {
      const instances = addresses.map((text) => {
        const { host, port } = addressOf(text);
        return { address: host, port };
      });
      graylane.setInstances('payments', instances);
    },
  };
}

const metadata = new grpc.Metadata();

function call(client: PaymentsClient): Promise<boolean> {
  return new Promise((resolve) =>
    client.charge({ order: 'o' }, metadata, { deadline: Date.now() + 30_000 }, (error) => resolve(error === null)),
  );
}

/** Looks often enough to see a short block, seldom enough to cost little. */
const LOOK_MS = 2;

async function watched(run: () => Promise<number>): Promise<Work> {
  let longestBlockMs = 0;
  let last = performance.now();
  const look = setInterval(() => {
    const now = performance.now();
    longestBlockMs = Math.max(longestBlockMs, now - last - LOOK_MS);
    last = now;
  }, LOOK_MS);
  const cpu = process.cpuUsage();
  const failed = await run();
  const { user, system } = process.cpuUsage(cpu);
  await new Promise((resolve) => setTimeout(resolve, 2 * LOOK_MS));
  clearInterval(look);
  return { cpuMs: (user + system) / 1_000, longestBlockMs, failed };
}

async function trickle(
  clients: readonly PaymentsClient[],
  { callsPerSecond, forMs, changes }: { callsPerSecond: number; forMs: number; changes: number },
  change: (isShort: boolean) => void,
): Promise<number> {
  const startedAt = performance.now();
  const calls: Promise<boolean>[] = [];
  let changed = 0;
  for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs = performance.now() - startedAt) {
    while (calls.length < (elapsedMs / 1_000) * callsPerSecond) {
      calls.push(call(clients[calls.length % clients.length] as PaymentsClient));
    }
    if (changed < (elapsedMs / forMs) * changes) {
      changed += 1;
      change(changed % 2 === 1);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return (await Promise.all(calls)).filter((isGood) => !isGood).length;
}

async function heap(): Promise<number> {
  for (let round = 0; round < 8; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage().heapUsed;
}

function main(): void {
  const { kind, addresses, idleTimeoutMs } = argumentOf<ManyChannelsOptions>();
  const options = idleTimeoutMs === undefined ? {} : { 'grpc.client_idle_timeout_ms': idleTimeoutMs };
  const fleet = kind === 'graylane' ? graylaneFleet(options) : plainFleet(options);
  fleet.setList(addresses);
  let clients: PaymentsClient[] = [];
  answerParent(async (question: ManyChannelsQuestion) => {
    if (question === 'heap') return heap();
    if (question === 'drop') {
      clients = [];
      return undefined;
    }
    if ('open' in question) {
      return watched(async () => {
        const made = Array.from({ length: question.open }, () => fleet.make());
        clients.push(...made);
        return (await Promise.all(made.map(call))).filter((isGood) => !isGood).length;
      });
    }
    return watched(() =>
      trickle(clients, question, (isShort) => fleet.setList(isShort ? addresses.slice(0, -1) : addresses)),
    );
  });
}

main();
