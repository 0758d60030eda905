import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type CallReport, createGraylane, type Graylane, type PolicyDocument } from '../../../src/index';
import { closeAfterEach, pause } from '../../support/closers';
import { startConsul } from '../../support/consul/start';
import { printFact } from '../../support/figure';
import { charge, type PaymentsServer, paymentsClient, startPaymentsServer } from '../../support/payments';

const closing = closeAfterEach();

/** Instances of both versions, two of each so that a retry finds another one of its kind. */
const NAMES = ['v1-a', 'v1-b', 'v2-a', 'v2-b'] as const;

/**
 * The two revisions mean opposite things by the same names and allow different numbers of attempts: a call that took its
 * decision from one and its endpoints, or its retries, from the other is seen at once.
 */
const REVISIONS = {
  a: { canary: 'v2', stable: 'v1', maxAttempts: 3 },
  b: { canary: 'v1', stable: 'v2', maxAttempts: 2 },
} as const;

function policy(name: keyof typeof REVISIONS): PolicyDocument {
  const { canary, stable, maxAttempts } = REVISIONS[name];
  return {
    schema: 1,
    service: 'payments',
    subsets: { stable: { tags: [stable] }, canary: { tags: [canary] } },
    default: 'stable',
    routes: [{ name: 'testers', match: { labels: { 'x-gray': 'canary' } }, to: 'canary' }],
    retry: { maxAttempts, retryableStatusCodes: ['UNAVAILABLE'], initialBackoffMs: 8, maxBackoffMs: 20 },
  };
}

async function startServers(): Promise<PaymentsServer[]> {
  return Promise.all(
    NAMES.map(async (name) =>
      closing(await startPaymentsServer({ name, version: name.slice(0, 2) }), (server) => server.kill()),
    ),
  );
}

/** Every server turns half of its calls away, in turn, so that most calls are retried while policies come and go. */
function beFlaky(servers: readonly PaymentsServer[]): void {
  let turn = 0;
  const timer = setInterval(() => {
    turn += 1;
    servers.forEach((server, index) => {
      server.behave((turn + index) % 2 === 0 ? { code: grpc.status.UNAVAILABLE } : undefined);
    });
  }, 3);
  closing(timer, clearInterval);
}

/** What a mixed call looks like, as text; empty when all is well. */
function mixedIn(report: CallReport, revisions: ReadonlyMap<string, keyof typeof REVISIONS>): string[] {
  const name = revisions.get(report.decision?.revision ?? '');
  if (name === undefined) return [`unknown revision ${String(report.decision?.revision)}`];
  const { canary, stable, maxAttempts } = REVISIONS[name];
  const version = report.decision?.subset === 'canary' ? canary : stable;
  const problems = report.attempts
    .filter((attempt) => !attempt.instance.startsWith(version))
    .map((attempt) => `${name}/${report.decision?.subset} (${version}) reached ${attempt.instance}`);
  if (report.attempts.length > maxAttempts) problems.push(`${name} made ${report.attempts.length} attempts`);
  return problems;
}

interface Traffic {
  readonly reports: readonly CallReport[];
  stop(): Promise<void>;
}

function startTraffic(graylane: Graylane): Traffic {
  const client = paymentsClient(graylane.target('payments'), graylane.clientOptions());
  const reports: CallReport[] = [];
  let isStopped = false;
  const worker = async (index: number): Promise<void> => {
    const labels: Record<string, string> = index % 2 === 0 ? { 'x-gray': 'canary' } : {};
    while (!isStopped) {
      await graylane.with({ observe: (report) => reports.push(report) }, () => charge(client, labels)).catch(() => {});
      await pause(0);
    }
  };
  const workers = Array.from({ length: 8 }, (_, index) => worker(index));
  return {
    reports,
    stop: async () => {
      isStopped = true;
      await Promise.all(workers);
    },
  };
}

function judge(reports: readonly CallReport[], revisions: ReadonlyMap<string, keyof typeof REVISIONS>): void {
  const mixed = reports.flatMap((report) => mixedIn(report, revisions));
  expect(mixed.slice(0, 5)).toEqual([]);
  expect(new Set(reports.map((report) => report.decision?.revision)).size).toBe(2);
  // Without retries that outlived a swap the test would show nothing.
  expect(reports.filter((report) => report.attempts.length > 1).length).toBeGreaterThan(10);
}

describe('a swap of policies under calls that are being retried', () => {
  it('lets every call see one revision whole, swapped in code as fast as can be', async () => {
    const servers = await startServers();
    const graylane = closing(
      createGraylane({
        instances: {
          payments: servers.map(({ name, version, host, port }) => ({
            id: name,
            address: host,
            port,
            tags: [version],
          })),
        },
        policies: { payments: policy('a') },
      }),
      (opened) => opened.close(),
    );
    const revisions = new Map<string, keyof typeof REVISIONS>();
    await graylane.ready('payments');
    const traffic = startTraffic(graylane);
    await pause(100);
    beFlaky(servers);
    const until = performance.now() + 4_000;
    let swaps = 0;
    while (performance.now() < until) {
      const name = swaps % 2 === 0 ? 'b' : 'a';
      graylane.setPolicy('payments', policy(name));
      swaps += 1;
      await pause(2);
      revisions.set(graylane.inspect().services[0]?.policy.revision ?? '', name);
    }
    await traffic.stop();
    judge(traffic.reports, revisions);
    printFact('one revision whole, swapped in code', `0 mixed of ${traffic.reports.length} calls, ${swaps} swaps`);
  });

  it('lets every call see one revision whole, written to KV', async () => {
    const consul = closing(await startConsul(), (opened) => opened.stop());
    const servers = await startServers();
    const dc1 = consul.dc('dc1');
    for (const { name, version, host, port } of servers) {
      await dc1.register({ name: 'payments', id: name, address: host, port, tags: [version] });
    }
    const write = (name: keyof typeof REVISIONS): Promise<void> =>
      dc1.putKv('graylane/policies/payments', JSON.stringify(policy(name)));
    await write('a');
    const graylane = closing(createGraylane({ consul: { address: dc1.address }, datacenters: ['dc1'] }), (opened) =>
      opened.close(),
    );
    await graylane.ready('payments');
    const revisions = new Map<string, keyof typeof REVISIONS>();
    const revision = (): string => graylane.inspect().services[0]?.policy.revision ?? '';
    revisions.set(revision(), 'a');
    await write('b');
    await expect.poll(revision, { interval: 5 }).not.toBe([...revisions.keys()][0]);
    revisions.set(revision(), 'b');
    const traffic = startTraffic(graylane);
    await pause(100);
    beFlaky(servers);
    const until = performance.now() + 5_000;
    let writes = 0;
    while (performance.now() < until) {
      await write(writes % 2 === 0 ? 'a' : 'b');
      writes += 1;
      await pause(10);
    }
    await traffic.stop();
    judge(traffic.reports, revisions);
    printFact('one revision whole, written to KV', `0 mixed of ${traffic.reports.length} calls, ${writes} writes`);
  });
});
