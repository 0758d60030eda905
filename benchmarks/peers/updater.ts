import * as grpc from '@grpc/grpc-js';
import type { Graylane, PolicyDocument } from '../../src/index';
import { quantile } from '../sample';
import { loadPackage } from '../variants/package';
import { paymentsClient } from './payments';
import { answerParent, argumentOf } from './peer';

/** A client of many endpoints whose list changes. */
export interface UpdaterOptions {
  readonly kind: 'round_robin' | 'graylane';
}

type UpdaterQuestion =
  /** Replaces the list; `connected` says how many connections end the waiting. */
  | { readonly list: readonly string[]; readonly settleMs: number }
  /** Puts a policy with so many routes in force. Graylane only. */
  | { readonly routes: number; readonly settleMs: number }
  | { readonly idleMs: number }
  /** Makes so many calls, one after another, and forgets how they ended. */
  | { readonly calls: number }
  | 'heap';

export interface UpdateCost {
  /** Longest time in which nothing else could run. */
  readonly longestBlockMs: number;
  /** Time that the event loop was busy with it, until `settleMs` later. */
  readonly activeMs: number;
  /** From the change until a pick is READY; 0 when it was before. */
  readonly firstReadyMs: number;
}

interface Target {
  readonly channel: grpc.Channel | ReturnType<grpc.Client['getChannel']>;
  update(list: readonly string[]): void;
  setRoutes(count: number): void;
  call(): Promise<void>;
}

const RESOLVER = 'bench';
let publish: ((list: readonly string[]) => void) | undefined;

/** What grpc-js users have for a list that changes: a resolver that hands over the new one. */
class ListResolver implements grpc.experimental.Resolver {
  static getDefaultAuthority(): string {
    return 'bench';
  }
  #latest: readonly string[] = [];

  constructor(_target: unknown, listener: grpc.experimental.ResolverListener) {
    publish = (list) => {
      this.#latest = list;
      const endpoints = list.map((address) => {
        const [host = '', port = ''] = address.split(':');
        return { addresses: [{ host, port: Number(port) }] };
      });
      listener(grpc.experimental.statusOrFromValue(endpoints), {}, null, '');
    };
  }
  updateResolution(): void {
    if (this.#latest.length > 0) setImmediate(() => publish?.(this.#latest));
  }
  destroy(): void {}
}

function openRoundRobin(): Target {
  grpc.experimental.registerResolver(RESOLVER, ListResolver as never);
  const client = paymentsClient(`${RESOLVER}:///payments`, {
    'grpc.enable_http_proxy': 0,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }], methodConfig: [] }),
  });
  client.getChannel().getConnectivityState(true);
  return {
    channel: client.getChannel(),
    update: (list) => publish?.(list),
    setRoutes() {},
    call: () => call(client),
  };
}

function openGraylane(): Target {
  const graylane: Graylane = loadPackage().createGraylane({
    instances: { payments: [] },
    policies: { payments: policyOf(1) },
  });
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  client.getChannel().getConnectivityState(true);
  return {
    channel: client.getChannel(),
    update(list) {
      const instances = list.map((address) => {
        const [host = '', port = ''] = address.split(':');
        return { address: host, port: Number(port) };
      });
      graylane.setInstances('payments', instances);
    },
    setRoutes: (count) => graylane.setPolicy('payments', policyOf(count)),
    call: () => call(client),
  };
}

function policyOf(routes: number): PolicyDocument {
  return {
    schema: 1,
    service: 'payments',
    subsets: { all: {} },
    balancing: { algorithm: 'round_robin' },
    // Calls that fail on purpose must not take endpoints out: the breakers are to be there, and closed.
    breaker: { volumeThreshold: 1_000_000, consecutiveFailures: 0 },
    routes: Array.from({ length: routes }, (_, index) => ({
      name: `tenant-${index}`,
      match: { labels: { 'x-tenant': `tenant-${index}` } },
      to: 'all',
    })),
  };
}

function call(client: ReturnType<typeof paymentsClient>): Promise<void> {
  return new Promise((resolve) =>
    client.charge({ order: 'o' }, new grpc.Metadata(), { deadline: Date.now() + 10_000 }, () => resolve()),
  );
}

/** Looks often enough to see a short block, seldom enough to cost little; what the looking itself costs is taken off. */
const LOOK_MS = 2;

async function observed(target: Target, change: () => void, settleMs: number): Promise<UpdateCost> {
  const quiet = await watchLoop(target, () => {}, 500);
  const seen = await watchLoop(target, change, settleMs);
  const activeMs = seen.activeMs - quiet.activeMs * (settleMs / 500);
  return { longestBlockMs: seen.longestBlockMs, activeMs: Math.max(0, activeMs), firstReadyMs: seen.firstReadyMs };
}

async function watchLoop(target: Target, change: () => void, forMs: number): Promise<UpdateCost> {
  const { READY } = grpc.connectivityState;
  const wasReady = target.channel.getConnectivityState(true) === READY;
  let firstReadyMs = 0;
  let longestBlockMs = 0;
  const before = performance.eventLoopUtilization();
  const startedAt = performance.now();
  change();
  let last = startedAt;
  while (performance.now() - startedAt < forMs) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const now = performance.now();
    longestBlockMs = Math.max(longestBlockMs, now - last - LOOK_MS);
    last = now;
    if (!wasReady && firstReadyMs === 0 && target.channel.getConnectivityState(true) === READY) {
      firstReadyMs = now - startedAt;
    }
  }
  return { longestBlockMs, activeMs: performance.eventLoopUtilization(before).active, firstReadyMs };
}

const WINDOW_MS = 2_000;

/**
 * Processor time while nothing is asked of the process: the median of many windows, as V8 still tidies up in a few of them, some
 * ten seconds after the last call. Nothing else is measured then: a look at the loop is work, too.
 */
async function idle(forMs: number): Promise<{ readonly cpuShare: number }> {
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const shares: number[] = [];
  for (let waitedMs = 0; waitedMs < forMs; waitedMs += WINDOW_MS) {
    const cpu = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
    const { user, system } = process.cpuUsage(cpu);
    shares.push((user + system) / 1_000 / WINDOW_MS);
  }
  return { cpuShare: quantile(shares, 0.5) };
}

async function heap(): Promise<number> {
  for (let round = 0; round < 8; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage().heapUsed;
}

async function main(): Promise<void> {
  const { kind } = argumentOf<UpdaterOptions>();
  const target = kind === 'graylane' ? openGraylane() : openRoundRobin();
  await new Promise((resolve) => setTimeout(resolve, 200));
  answerParent(async (question: UpdaterQuestion) => {
    if (question === 'heap') return heap();
    if ('idleMs' in question) return idle(question.idleMs);
    if ('calls' in question) {
      for (let made = 0; made < question.calls; made += 1) await target.call();
      return question.calls;
    }
    if ('routes' in question) return observed(target, () => target.setRoutes(question.routes), question.settleMs);
    return observed(target, () => target.update(question.list), question.settleMs);
  });
}

void main();
