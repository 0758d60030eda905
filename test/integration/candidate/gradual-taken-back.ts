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
  { processes, clients }: Record<'processes' | 'clients', number>,
): Promise<void> {
  const { address } = world.consul.dc('dc1');
  const env = { CONSUL_HTTP_ADDR: address };
  await serve(world, 'payments');
  expect(
    (await graylane(['policy', 'apply', policyFile(stickyPolicy(5)), '-m', 'begin', '--force'], { env })).code,
  ).toBe(0);
  const settings = { consul: address, service: 'payments', clients, users: 500, perSecond: 20 };
  const callers = await startCallers(processes, settings);
  const former = await revisionOfAll(callers);
  const sinceMs = performance.now();
  const args = ['policy', 'apply', policyFile(BREAKING), '-m', 'oops', '--force', '--allow-reshuffle'];
  const gradual = ['--gradual', '1,10,100', '--step', '60s', '--listen', '127.0.0.1:0'];
  const { json, code, stderr } = await graylaneJson<TakenBack>([...args, ...gradual], { env });
  const isOnlyFormer = async (): Promise<boolean> =>
    (await callers.look()).seen.every(({ revisions }) => revisions.every((revision) => revision === former));
  expect([code, json.outcome, stderr]).toEqual([3, 'taken back', expect.stringContaining('more than 1 % of calls')]);
  const seen = await callers.look();
  await expect.poll(isOnlyFormer, { timeout: 10_000 }).toBe(true);
  const tookMs = performance.now() - sinceMs;
  const touched = seen.seen.filter(({ revisions }) => revisions.some((revision) => revision !== former));
  const others = seen.seen.filter((each) => !touched.includes(each));
  const { candidate } = json.figures;
  printFact(
    'policy by degrees',
    `${processes * clients} clients: back after ${(tookMs / 1000).toFixed(1)} s, seen by ${touched.length}; ` +
      `${candidate.failures} of ${candidate.calls} calls under it failed; others failed ${others.reduce((sum, { failures }) => sum + failures, 0)}`,
  );
  expect(touched).toHaveLength(Math.max(1, Math.round((processes * clients) / 100)));
  expect(others.every(({ failures }) => failures === 0)).toBe(true);
  expect(tookMs).toBeLessThan(30_000);
  const { json: stored } = await graylaneJson<readonly object[]>(['policy', 'log', 'payments'], { env });
  expect(JSON.stringify(stored)).not.toContain('oops');
}
