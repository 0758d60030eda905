import { expect } from 'vitest';
import type { PolicyDocument } from '../../../src/index';
import { printFact } from '../../support/figure';
import { GRAY } from '../../support/gray-policy';
import { graylane, graylaneJson } from '../cli/built-command';
import { serve } from '../rollout/collector/figures-world';
import type { RolloutWorld } from '../rollout/rollout-world';
import { type Callers, startCallers } from './caller-processes';
import { policyFile, stickyPolicy } from './trial-world';

/** One call in ten goes where there is nobody. */
const BREAKING: PolicyDocument = {
  ...GRAY,
  subsets: { ...GRAY.subsets, nobody: { tags: ['nobody'] } },
  routes: [
    {
      name: 'everyone',
      split: [
        { to: 'stable', weight: 90 },
        { to: 'nobody', weight: 10 },
      ],
      stickBy: 'x-user-id',
    },
  ],
};

interface TakenBack {
  readonly outcome: string;
  readonly reason: string;
  readonly figures: { readonly candidate: { readonly calls: number; readonly failures: number } };
}

/** The one that every client goes by. */
async function revisionOfAll(callers: Callers): Promise<string> {
  let found: readonly string[] = [];
  const look = async (): Promise<boolean> => {
    const { seen } = await callers.look();
    found = [...new Set(seen.flatMap(({ revisions }) => revisions))];
    return found.length === 1 && seen.every(({ revisions }) => revisions.length === 1);
  };
  await expect.poll(look, { interval: 500 }).toBe(true);
  return found[0] ?? '';
}

/**
 * A policy that breaks a tenth of the calls, in force in 1 % of the clients, is back within 30 s, and no other client
 * ever decided a call under it.
 */
export async function gradualIsTakenBack(
  world: RolloutWorld,
  {
    processes,
    clients,
    perSecond = 20,
    withinMs,
  }: {
    readonly processes: number;
    readonly clients: number;
    readonly perSecond?: number;
    readonly withinMs?: number;
  },
): Promise<void> {
  const { address } = world.consul.dc('dc1');
  const env = { CONSUL_HTTP_ADDR: address };
  await serve(world, 'payments');
  expect(
    (await graylane(['policy', 'apply', policyFile(stickyPolicy(5)), '-m', 'begin', '--force'], { env })).code,
  ).toBe(0);
  const settings = { consul: address, service: 'payments', clients, users: 500, perSecond };
  const callers = await startCallers(processes, settings);
  const former = await revisionOfAll(callers);
  const args = ['policy', 'apply', policyFile(BREAKING), '-m', 'oops', '--force', '--allow-reshuffle'];
  const gradual = ['--gradual', '1,10,100', '--step', '60s', '--listen', '127.0.0.1:0'];
  const running = graylaneJson<TakenBack>([...args, ...gradual], { env });
  let isEnded = false;
  void running.finally(() => {
    isEnded = true;
  });
  const touched = new Set<number>();
  const failures = new Map<number, number>();
  let sinceMs = Number.NaN;
  let tookMs = Number.NaN;
  const look = async (): Promise<boolean> => {
    const { seen } = await callers.look();
    const under = seen.flatMap(({ revisions }, at) => (revisions.some((each) => each !== former) ? [at] : []));
    for (const at of under) touched.add(at);
    for (const [at, each] of seen.entries()) failures.set(at, (failures.get(at) ?? 0) + each.failures);
    if (under.length > 0 && Number.isNaN(sinceMs)) sinceMs = performance.now();
    if (under.length > 0) tookMs = performance.now() - sinceMs;
    return isEnded && under.length === 0;
  };
  await expect.poll(look, { timeout: 90_000, interval: 300 }).toBe(true);
  const { json, code, stderr } = await running;
  expect([code, json.outcome, stderr]).toEqual([3, 'taken back', expect.stringContaining('more than 1 % of calls')]);
  const { candidate } = json.figures;
  const lost = [...failures].filter(([at]) => !touched.has(at)).reduce((sum, [, count]) => sum + count, 0);
  printFact(
    'policy by degrees',
    `${processes * clients} clients: in force for ${(tookMs / 1000).toFixed(1)} s, in ${touched.size}; ` +
      `${candidate.failures} of ${candidate.calls} calls under it failed, ${lost} of the others`,
  );
  expect(touched.size).toBe(Math.max(1, Math.round((processes * clients) / 100)));
  expect(lost).toBe(0);
  expect(candidate.calls).toBeLessThan(500);
  if (withinMs !== undefined) expect(tookMs).toBeLessThan(withinMs);
  const { json: stored } = await graylaneJson<readonly object[]>(['policy', 'log', 'payments'], { env });
  expect(JSON.stringify(stored)).not.toContain('oops');
}
